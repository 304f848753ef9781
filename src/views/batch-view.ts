import { z } from 'zod';
import { MAX_PAGE_ITEMS, type Page, pageOf } from './page.ts';
import type { Query } from './query.ts';

/** What a batch has in stock. */
export const stockOfBatch = z.object({
  reference: z.string(),
  quantity: z.int().min(0),
  availableQuantity: z.int().min(0).describe('`quantity` without what is allocated'),
  eta: z.iso.date().nullable().describe('when the batch arrives; null: it is in stock'),
});

/** A batch with its allocated lines. */
export const batchView = z.object({
  ...stockOfBatch.shape,
  sku: z.string(),
  lines: z
    .array(z.object({ orderid: z.string(), qty: z.int().min(1) }))
    .describe('the oldest line first'),
  hasMoreLines: z.boolean().describe('whether the batch has more lines behind this page'),
});

/** The columns of a batch that say what it has in stock. */
export interface StockRow {
  readonly quantity: number;
  readonly allocated_quantity: number;
  readonly eta: string | null;
}

interface LineRow extends StockRow {
  readonly sku: string;
  /** The key of the allocation. Null: no line of the batch is on the page. */
  readonly id: number | null;
  readonly orderid: string;
  readonly qty: number;
}

/**
 * Reads a batch with one page of its allocated lines, oldest first.
 *
 * @param after the cursor behind which the page begins: the key of an allocation
 * @returns null: there is no such batch
 */
export async function readBatch(
  reference: string,
  query: Query,
  after = 0,
): Promise<(z.infer<typeof batchView> & Pick<Page<never>, 'next'>) | null> {
  // The inner query reads one page from the index of the batch, however many lines the batch has.
  const rows = await query<LineRow>(
    `select batches.sku, batches.quantity, batches.allocated_quantity, batches.eta,
       lines.id, lines.orderid, lines.qty
     from batches left join (
       select allocations.batch_id, allocations.id, order_lines.orderid, order_lines.qty
       from allocations join order_lines on order_lines.id = allocations.orderline_id
       where allocations.batch_id = (select id from batches where reference = ?)
         and allocations.id > ?
       order by allocations.id limit ${MAX_PAGE_ITEMS + 1}
     ) as lines on lines.batch_id = batches.id
     where batches.reference = ? order by lines.id`,
    [reference, after, reference],
  );
  const [first] = rows;
  if (!first) return null;
  const { items, next } = pageOf(
    rows.filter(({ id }) => id !== null),
    ({ id }) => String(id),
  );
  return {
    reference,
    sku: first.sku,
    ...stockOf(first),
    lines: items.map(({ orderid, qty }) => ({ orderid, qty: Number(qty) })),
    hasMoreLines: next !== null,
    next,
  };
}

/** Computes what a batch has in stock. Postgres may return the numbers as text. */
export function stockOf({ quantity, allocated_quantity, eta }: StockRow) {
  return {
    quantity: Number(quantity),
    availableQuantity: Number(quantity) - Number(allocated_quantity),
    eta,
  };
}
