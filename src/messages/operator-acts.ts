import { z } from 'zod';
import { TIME } from './event-attributes.ts';
import { dataschemaOf } from './versions.ts';

/** The CloudEvents source of the audit's records. */
export const AUDIT_SOURCE = '/allocation/audit';
/** The type of the audit's records. */
export const OPERATOR_ACTED = 'OperatorActed';
/** The newest version of the data of the audit's records. */
export const OPERATOR_ACTED_VERSION = 2;

/** The acts of version 1. Readers of that version know no other acts. */
const FORMER_ACTS = [
  'dead-letters redrive',
  'dead-letters discard',
  'migrate',
  'replay events',
  'replay offsets',
  'replay rebuild',
  'replay snapshot',
  'token create',
] as const;

/** What operators can do, in the words of the command line. */
export type ActName = (typeof FORMER_ACTS)[number] | 'lanes pause' | 'lanes resume';

const SUMMARY = 'An operator begins or ends an act. Each act has two records.';

/** How many things there are, and the names of the first. */
const things = z.object({ count: z.int().min(0), first: z.array(z.string()) });

/**
 * The data of an audit record. `GET /audit` shows what a record has, whatever its version. The
 * contract shows the descriptions.
 */
export const operatorActed = z
  .object({
    act: z
      .string()
      .describe('what the operator does, in the words of the command line; more acts may come'),
    state: z
      .enum(['begun', 'succeeded', 'failed', 'interrupted'])
      .describe('`begun`, `succeeded`, `failed` or `interrupted`'),
    by: z.string().describe('`user@host` of the process, or the caller over HTTP'),
    from: z.enum(['cli', 'http', 'service']).describe('`cli`, `http` or `service`'),
    on: things.describe('what the act is about: `{count, first}`, where `first` names at most 100'),
    done: things
      .optional()
      .describe('at the end, in the same form: what was done; absent if nothing was'),
    options: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .describe('how the operator wanted it done'),
    why: z
      .string()
      .optional()
      .describe('with `failed`, `interrupted`: a sentence for people, up to 1,000 characters'),
  })
  .describe(SUMMARY);
export type OperatorActed = Readonly<z.infer<typeof operatorActed>>;

/** The data of audit records by former releases, by version. */
export const formerOperatorActed = {
  1: operatorActed
    .extend({
      act: z.enum(FORMER_ACTS).describe('what the operator does, in the words of the command line'),
    })
    .describe(SUMMARY),
};

const text = z.string().min(1);

/** The headers of an audit record. The contract shows the descriptions. */
export const actHeaders = z.object({
  'content-type': z.literal('application/json').describe('`application/json`'),
  ce_specversion: z.literal('1.0').describe('`1.0`'),
  ce_id: text.describe('the id of the act, with `/begun` or `/ended` behind it'),
  ce_source: z.literal(AUDIT_SOURCE).describe(`\`${AUDIT_SOURCE}\``),
  ce_type: z.literal(OPERATOR_ACTED).describe(`\`${OPERATOR_ACTED}\``),
  ce_dataschema: z
    .literal(dataschemaOf(OPERATOR_ACTED, OPERATOR_ACTED_VERSION))
    .describe(`\`${dataschemaOf(OPERATOR_ACTED, OPERATOR_ACTED_VERSION)}\``),
  ce_subject: text.describe('the id of the act'),
  ce_time: z
    .string()
    .regex(TIME)
    .meta({ format: 'date-time' })
    .describe('when the record was written, ISO 8601 in UTC'),
});

/** An audit record as it goes into its topic. */
interface EncodedAct {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Makes the record of an act: a CloudEvent in binary mode.
 *
 * @param id names the act; both records of an act have the id as their key
 * @param time ISO 8601
 */
export function encodeAct(id: string, data: OperatorActed, time: string): EncodedAct {
  return {
    key: id,
    value: JSON.stringify(operatorActed.parse(data)),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: `${id}/${data.state === 'begun' ? 'begun' : 'ended'}`,
      ce_source: AUDIT_SOURCE,
      ce_type: OPERATOR_ACTED,
      ce_dataschema: dataschemaOf(OPERATOR_ACTED, OPERATOR_ACTED_VERSION),
      ce_subject: id,
      ce_time: time,
    },
  };
}
