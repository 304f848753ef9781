import { z } from 'zod';

/** The CloudEvents source of all events of this service. */
export const SOURCE = '/allocation';

const text = z.string().min(1);
/** Matches a time in UTC, ISO 8601, to the nanosecond at most. */
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

/** Matches a whole number from 1. A number of up to 15 digits is below 2^53. */
export const SEQUENCE = /^[1-9]\d{0,14}$/;

/**
 * What an event says about itself, besides its data. As headers, the names begin with `ce_`. The
 * contract shows the descriptions.
 */
const eventAttributes = {
  specversion: z.literal('1.0').describe('`1.0`'),
  id: text.describe('the place of the message that is answered, `<topic>/<partition>/<offset>`'),
  source: z.literal(SOURCE).describe(`\`${SOURCE}\``),
  type: text.describe('the type'),
  dataschema: text
    .exactOptional()
    .describe('type and version of the data: `/allocation/schemas/Allocated/1`'),
  subject: text.describe('the same as the key'),
  time: z
    .string()
    .regex(TIME)
    .meta({ format: 'date-time' })
    .describe('when the service decided, ISO 8601 in UTC'),
  causationid: text.describe("the command's id; without one its place"),
  causationsource: text.exactOptional().describe("the command's source, if it was a CloudEvent"),
  causationform: z
    .enum(['id', 'place'])
    .exactOptional()
    .describe('otherwise: `id` if the sender gave an id, else `place`'),
  correlationid: text.describe("the command's `correlationid`, else its id"),
  sequence: z
    .string()
    .regex(SEQUENCE)
    .exactOptional()
    .describe("the product's version: 1, 2, 3, … per sku; may arrive in another order"),
} as const;

/** The W3C headers, which have no prefix. */
const traceparent = text
  .exactOptional()
  .describe("the command's, if it had a valid one; with traces on, the decision's");
const tracestate = text.exactOptional().describe("with traces on: the command's, if it had one");

/** The headers of an event that is a record of its own, or of a composite. */
export const eventHeaders = z.object({
  'content-type': z.literal('application/json').describe('`application/json`'),
  ...(Object.fromEntries(
    Object.entries(eventAttributes).map(([name, schema]) => [`ce_${name}`, schema]),
  ) as { [K in keyof typeof eventAttributes as `ce_${K}`]: (typeof eventAttributes)[K] }),
  traceparent,
  tracestate,
  ce_replay: z
    .literal('true')
    .exactOptional()
    .describe('`true` on a copy by `replay events`, which has the ids of the original'),
});

/** An event inside a composite: a structured CloudEvent. */
export const insideEvent = z.object({
  ...eventAttributes,
  id: text.describe('the id of the composite, or of its first part, with `/1`, `/2`, … behind it'),
  subject: text.describe('the sku; without one the reference, else the orderid'),
  datacontenttype: z.literal('application/json').describe('`application/json`'),
  traceparent,
  data: z.looseObject({}).describe('fits the schema that `dataschema` names'),
});
