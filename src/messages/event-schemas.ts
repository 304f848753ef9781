import { z } from 'zod';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { Event } from '../domain/events.ts';
import { insideEvent } from './event-attributes.ts';
import { fields } from './field-schemas.ts';
import { REJECTION_REASONS } from './rejections.ts';

const { orderid, sku, reference, batchref, qty, quantity, eta } = fields;
const allocatedLine = { orderid, sku, qty, batchref };

/**
 * The data of each event on the wire, in its newest version. The schemas are open: data may have
 * further fields, which nobody reads. The contract shows the descriptions.
 */
export const eventSchemas = {
  BatchCreated: z.object({ reference, sku, quantity, eta }).describe('A batch exists now.'),
  Allocated: z.object(allocatedLine).describe('The order line has its stock from the batch.'),
  AlreadyAllocated: z
    .object(allocatedLine)
    .describe('The order line was allocated to the batch before. Nothing changed.'),
  Deallocated: z
    .object(allocatedLine)
    .describe('The order line no longer has its stock from the batch.'),
  OutOfStock: z
    .object({ orderid, sku, qty })
    .describe('No batch of the product has enough left for the order line.'),
  BatchQuantityChanged: z
    .object({ reference, sku, quantity })
    .describe('The batch has this quantity now.'),
  CommandRejected: z
    .object({
      command: z.enum(COMMAND_TYPES).describe('The type of the command.'),
      reason: z.enum(REJECTION_REASONS).describe('The rule that the command breaks.'),
      detail: z.string().describe('A sentence for people. Its text may change at any time.'),
      orderid: orderid.exactOptional(),
      sku: sku.exactOptional(),
      reference: reference.exactOptional(),
    })
    .describe('The command, or one line of it, breaks a rule. That part changed nothing.'),
} satisfies { readonly [T in Event['type']]: z.ZodType };

/** The data of each event on the wire, in its newest version. */
export type EventData = {
  readonly [T in Event['type']]: Readonly<z.output<(typeof eventSchemas)[T]>>;
};

/** The data of a composite. Each event inside has a version of its own. */
export const compositeSchema = z
  .object({
    events: z.array(insideEvent).min(1).describe('The events, in the order of their decision.'),
  })
  .describe('Several events of one command, which consumers see together or not at all.');
