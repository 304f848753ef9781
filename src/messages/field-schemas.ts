import { z } from 'zod';
import { NAME } from './cloud-events.ts';

/** Says what JSON Schema can say of `NAME`, with a pattern that every language can read. */
export const NAME_IN_JSON_SCHEMA = {
  minLength: 1,
  maxLength: 255,
  pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
} as const;

const isMissing = ({ input }: { readonly input?: unknown }) => input === undefined;

/** The name of a thing, as a sender chose it. */
export const name = z
  .string({ error: (issue) => (isMissing(issue) ? 'is required' : 'must be a string') })
  .regex(NAME, 'must be 1 to 255 characters without control characters')
  .meta(NAME_IN_JSON_SCHEMA);
const whole = z.int({
  error: (issue) => (isMissing(issue) ? 'is required' : 'must be a whole number, at most 2^53 - 1'),
});

/**
 * The fields of commands and events. The contract shows their descriptions. A description that
 * differs from message to message belongs to the message.
 */
export const fields = {
  orderid: name.describe('The id of the order.'),
  sku: name.describe('The stock keeping unit: names the product.'),
  reference: name.describe('Names the batch.'),
  batchref: name.describe('Names the batch that the line has its stock from.'),
  qty: whole.min(1, 'must be at least 1').describe('How much of the product the order wants.'),
  quantity: whole
    .min(0, 'must not be negative')
    .describe('The whole quantity of the batch, with what is allocated.'),
  eta: z.iso
    .date('must be a date that exists, YYYY-MM-DD, or null')
    .nullable()
    .describe('The day on which the batch arrives. Null: the batch is in stock.'),
} as const;
