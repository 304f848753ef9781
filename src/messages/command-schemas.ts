import { z } from 'zod';
import type { Command } from '../domain/commands.ts';
import { NAME } from './cloud-events.ts';
import type { Versions } from './versions.ts';

/** The most lines of one order. */
const MAX_LINES = 500;

const isMissing = ({ input }: { readonly input?: unknown }) => input === undefined;

const name = z
  .string({ error: (issue) => (isMissing(issue) ? 'is required' : 'must be a string') })
  .regex(NAME, 'must be 1 to 255 characters without control characters');
const whole = z.int({
  error: (issue) => (isMissing(issue) ? 'is required' : 'must be a whole number, at most 2^53 - 1'),
});
const qty = whole.min(1, 'must be at least 1');
const quantity = whole.min(0, 'must not be negative');
const line = z.object({ sku: name, qty }, 'must be an object with sku and qty');

/** The versions of each type of command. */
export const commandVersions: {
  readonly [T in Command['type']]: Versions<z.ZodType<Extract<Command, { type: T }>>>;
} = {
  CreateBatch: {
    current: 1,
    schema: z
      .object({
        reference: name,
        sku: name,
        quantity,
        eta: z.iso.date('must be a date that exists, YYYY-MM-DD, or null').nullable().default(null),
      })
      .transform((data) => ({ type: 'CreateBatch', ...data })),
    upcasters: {},
  },
  AllocateOrder: {
    current: 1,
    schema: z
      .object({
        orderid: name,
        sku: name.optional(),
        qty: qty.optional(),
        lines: z
          .array(line, 'must be an array of lines')
          .min(1, 'must have at least one line')
          .max(MAX_LINES, `must have at most ${MAX_LINES} lines`)
          .optional(),
      })
      .superRefine(eitherOneLineOrSeveral)
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
      .object({ reference: name, quantity })
      .transform((data) => ({ type: 'ChangeBatchQuantity', ...data })),
    upcasters: {},
  },
  DeallocateOrder: {
    current: 1,
    schema: z
      .object({ orderid: name, sku: name.optional() })
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
