import { z } from 'zod';
import { CLOUD_EVENT_TYPE } from './cloud-events.ts';
import { name } from './field-schemas.ts';

/**
 * What a sender may say of a command besides its data, in the three forms of a message.
 * `readEnvelope` reads the forms. The contract shows the descriptions.
 */
const specversion = z.literal('1.0').describe('The version of CloudEvents.');
const id = name.describe('The same source and id make the same command. The service runs it once.');
const source = name.describe('Names the sender, such as `/shop`.');
const dataschema = z
  .string()
  .optional()
  .describe('Type and version of the data. Absent: version 1.');
const correlationid = name.optional().describe('Comes back on every event.');
const traceparent = z.string().optional().describe('W3C Trace Context. Every event continues it.');
const tracestate = z
  .string()
  .optional()
  .describe('Belongs to `traceparent`. With traces on, it comes back on every event.');

/** The headers of CloudEvents in binary mode. The data is the value. */
export const binaryHeaders = z.object({
  ce_specversion: specversion,
  ce_id: id,
  ce_source: source,
  ce_type: name.describe('The type of the command.'),
  ce_dataschema: dataschema,
  ce_correlationid: correlationid,
  traceparent,
  tracestate,
  'content-type': z.string().optional().describe('`application/json`'),
});

/** The headers of CloudEvents in structured mode. */
export const structuredHeaders = z.object({ 'content-type': z.literal(CLOUD_EVENT_TYPE) });

/** The value in structured mode, without its data. */
export const structuredAttributes = z.object({
  specversion,
  id,
  source,
  type: name.describe('The type of the command.'),
  dataschema,
  correlationid,
  traceparent,
});

/** The headers of plain JSON. */
export const plainHeaders = z.object({
  ce_correlationid: correlationid,
  traceparent,
  tracestate,
});

/** What plain JSON has beside the fields of its data. */
export const plainAttributes = z.object({
  type: z.string().describe('The type of the command.'),
  id: name
    .nullish()
    .describe('The same id makes the same command. Absent: the place of the message is its id.'),
  dataschema,
});
