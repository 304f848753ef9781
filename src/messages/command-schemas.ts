import { z } from 'zod';
import type { Command } from '../domain/commands.ts';
import { fields } from './field-schemas.ts';
import type { Versions } from './versions.ts';

/** The most lines of one order. */
const MAX_LINES = 500;

const { orderid, sku, reference, qty, quantity, eta } = fields;
const line = z.object({ sku, qty }, 'must be an object with sku and qty');

/**
 * Says in JSON Schema what `eitherOneLineOrSeveral` checks. JSON Schema cannot forbid the same sku
 * in two lines.
 */
const EITHER_ONE_LINE_OR_SEVERAL = {
  oneOf: [
    { required: ['sku', 'qty'], properties: { lines: false } },
    { required: ['lines'], properties: { sku: false, qty: false } },
  ],
};

/** The versions of each type of command. The contract shows the descriptions. */
export const commandVersions: {
  readonly [T in Command['type']]: Versions<z.ZodType<Extract<Command, { type: T }>>>;
} = {
  CreateBatch: {
    current: 1,
    schema: z
      .object({
        reference,
        sku,
        quantity,
        eta: eta.default(null),
      })
      .describe('A batch of stock arrives, or is announced for a later day.')
      .transform((data) => ({ type: 'CreateBatch', ...data })),
    upcasters: {},
  },
  AllocateOrder: {
    current: 1,
    schema: z
      .object({
        orderid,
        sku: sku.optional().describe('The product of an order with one line.'),
        qty: qty.optional().describe('How much of the product an order with one line wants.'),
        lines: z
          .array(line, 'must be an array of lines')
          .min(1, 'must have at least one line')
          .max(MAX_LINES, `must have at most ${MAX_LINES} lines`)
          .optional()
          .describe('The lines of the order, each sku once. They replace sku and qty.'),
      })
      .superRefine(eitherOneLineOrSeveral)
      .meta(EITHER_ONE_LINE_OR_SEVERAL)
      .describe("A customer's order asks for stock. Each line is decided for itself.")
      .transform(({ orderid, lines, sku, qty }) => ({
        type: 'AllocateOrder',
        orderid,
        lines: lines ?? [{ sku: sku ?? '', qty: qty ?? 0 }],
      })),
    upcasters: {},
  },
  ChangeBatchQuantity: {
    current: 1,
    schema: z
      .object({ reference, quantity })
      .describe('A batch has another quantity than the service knows.')
      .transform((data) => ({ type: 'ChangeBatchQuantity', ...data })),
    upcasters: {},
  },
  DeallocateOrder: {
    current: 1,
    schema: z
      .object({
        orderid,
        sku: sku.optional().describe('Lets only the line of this product go. Absent: all lines.'),
      })
      .describe('An order no longer needs its stock.')
      .transform(({ orderid, sku }) => ({ type: 'DeallocateOrder', orderid, sku: sku ?? null })),
    upcasters: {},
  },
};

interface OrderShape {
  readonly sku?: string | undefined;
  readonly qty?: number | undefined;
  readonly lines?: readonly { readonly sku: string }[] | undefined;
}

function eitherOneLineOrSeveral(data: OrderShape, context: z.core.$RefinementCtx): void {
  const complain = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  if (data.lines === undefined) {
    const message = 'is required, unless the order has lines';
    if (data.sku === undefined) complain(['sku'], message);
    if (data.qty === undefined) complain(['qty'], message);
    return;
  }
  if (data.sku !== undefined) complain(['sku'], 'must be absent together with lines');
  if (data.qty !== undefined) complain(['qty'], 'must be absent together with lines');
  const seen = new Set<string>();
  for (const [index, { sku }] of data.lines.entries()) {
    if (seen.has(sku)) complain(['lines', index, 'sku'], 'is in the order twice');
    seen.add(sku);
  }
}
