import { z } from 'zod';
import { type StockRow, stockOf, stockOfBatch } from './batch-view.ts';
import { MAX_PAGE_ITEMS, type Page, pageOf } from './page.ts';
import type { Query } from './query.ts';

/** A product with its stock. */
export const productView = z.object({
  sku: z.string(),
  version: z.int().min(0).describe('the last `ce_sequence` of the product'),
  batches: z.array(stockOfBatch).describe('in the order in which stock is allocated'),
  hasMoreBatches: z.boolean().describe('whether the product has more batches behind this page'),
});

interface BatchRow extends StockRow {
  readonly version: number;
  /** Null: no batch of the product is on the page. */
  readonly reference: string | null;
}

/** The columns by which stock is allocated. A batch without an eta is in stock, and comes first. */
const ALLOCATION_ORDER = "coalesce(batches.eta, ''), batches.id";

/**
 * Reads a product with one page of its batches, in the order in which stock is allocated.
 *
 * @param after the reference of the batch behind which the page begins; null: the first page
 * @returns null: no batch of the sku was ever created
 */
export async function readProduct(
  sku: string,
  query: Query,
  after: string | null = null,
): Promise<(z.infer<typeof productView> & Pick<Page<never>, 'next'>) | null> {
  const behind =
    after === null
      ? ''
      : `and (${ALLOCATION_ORDER}) > (
          select ${ALLOCATION_ORDER} from batches where reference = ? and sku = products.sku
        )`;
  const rows = await query<BatchRow>(
    `select products.version, batches.reference, batches.quantity, batches.allocated_quantity,
       batches.eta
     from products left join batches on batches.sku = products.sku ${behind}
     where products.sku = ?
     order by ${ALLOCATION_ORDER} limit ${MAX_PAGE_ITEMS + 1}`,
    after === null ? [sku] : [after, sku],
  );
  const [first] = rows;
  if (!first) return null;
  const batches = rows.flatMap(({ reference, ...row }) =>
    reference === null ? [] : [{ reference, ...stockOf(row) }],
  );
  const { items, next } = pageOf(batches, ({ reference }) => reference);
  return {
    sku,
    version: Number(first.version),
    batches: items,
    hasMoreBatches: next !== null,
    next,
  };
}
