import { z } from 'zod';
import { MAX_PAGE_ITEMS, type Page, pageOf } from './page.ts';
import type { Query } from './query.ts';

/** One allocated line of an order, with its batch. */
export const allocationView = z.object({
  sku: z.string(),
  qty: z.int().min(1),
  batchref: z.string(),
});

/** An order with the lines that are allocated. */
export const orderView = z.object({
  orderid: z.string(),
  lines: z.array(allocationView.omit({ batchref: true })).describe('by sku'),
  hasMoreLines: z.boolean().describe('whether the order has more lines behind this page'),
});

/**
 * Reads one page of the allocated lines of an order, in the order of their skus.
 *
 * @param after the sku behind which the page begins; empty: the first page
 */
export async function readAllocations(
  orderid: string,
  query: Query,
  after = '',
): Promise<Page<z.infer<typeof allocationView>>> {
  const rows = await query<z.infer<typeof allocationView>>(
    `select order_lines.sku, order_lines.qty, batches.reference as batchref
     from order_lines
     join allocations on allocations.orderline_id = order_lines.id
     join batches on batches.id = allocations.batch_id
     where order_lines.orderid = ? and order_lines.sku > ?
     order by order_lines.sku limit ${MAX_PAGE_ITEMS + 1}`,
    [orderid, after],
  );
  const lines = rows.map(({ sku, qty, batchref }) => ({ sku, qty: Number(qty), batchref }));
  return pageOf(lines, ({ sku }) => sku);
}

/**
 * Reads one page of the lines of an order, in the order of their skus.
 *
 * @param after the sku behind which the page begins; empty: the first page
 */
export async function readOrder(
  orderid: string,
  query: Query,
  after = '',
): Promise<z.infer<typeof orderView> & Pick<Page<never>, 'next'>> {
  const rows = await query<{ readonly sku: string; readonly qty: number }>(
    `select sku, qty from order_lines where orderid = ? and sku > ?
     order by sku limit ${MAX_PAGE_ITEMS + 1}`,
    [orderid, after],
  );
  const { items, next } = pageOf(rows, ({ sku }) => sku);
  const lines = items.map(({ sku, qty }) => ({ sku, qty: Number(qty) }));
  return { orderid, lines, hasMoreLines: next !== null, next };
}
