import { z } from 'zod';
import { dataschemaOf } from './versions.ts';

/** The CloudEvents source of the audit's records. */
export const AUDIT_SOURCE = '/allocation/audit';
/** The type of the audit's records. */
export const OPERATOR_ACTED = 'OperatorActed';
const VERSION = 1;

/** What operators can do, in the words of the command line. */
const ACTS = [
  'dead-letters redrive',
  'dead-letters discard',
  'migrate',
  'replay events',
  'replay offsets',
  'replay rebuild',
  'replay snapshot',
  'token create',
] as const;

/** The count of all things, and the names of the first. */
const things = z.object({ count: z.int().min(0), first: z.array(z.string()) });

/** The data of an audit record. The service writes such records, and reads none. */
export const operatorActed = z.object({
  act: z.enum(ACTS),
  /** An act has two records: `begun` before its work, and one of the other states at its end. */
  state: z.enum(['begun', 'succeeded', 'failed', 'interrupted']),
  /** Who acts: `user@host` of the process. */
  by: z.string(),
  from: z.enum(['cli', 'http', 'service']),
  /** The letters, lanes, topic or database that the act is about. */
  on: things,
  /** The things that were done. Absent: none was done, or the act has no parts. */
  done: things.optional(),
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Why the act failed, in a sentence for people. */
  why: z.string().optional(),
});
export type OperatorActed = Readonly<z.infer<typeof operatorActed>>;

/** An audit record as it goes into its topic. */
interface EncodedAct {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Makes the record of an act: a CloudEvent in binary mode.
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
      ce_dataschema: dataschemaOf(OPERATOR_ACTED, VERSION),
      ce_subject: id,
      ce_time: time,
    },
  };
}
