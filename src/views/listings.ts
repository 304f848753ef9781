import { z } from 'zod';
import { type StockRow, stockOf, stockOfBatch } from './batch-view.ts';
import { conditionsOf, type ListingChoice, listingRangeOf } from './listing-range.ts';
import { type Page, pageOf } from './page.ts';
import type { Query } from './query.ts';

/** A product in a listing. */
export const listedProduct = z.object({
  sku: z.string(),
  version: z.int().min(0).describe('the last `ce_sequence` of the product'),
});

/** A batch in a listing. */
export const listedBatch = z.object({ ...stockOfBatch.shape, sku: z.string() });

/** An order in a listing. */
export const listedOrder = z.object({ orderid: z.string() });

interface BatchRow extends StockRow {
  readonly reference: string;
  readonly sku: string;
}

const BATCH = 'reference, sku, quantity, allocated_quantity, eta';

/** Lists products by sku. */
export async function listProducts(
  choice: ListingChoice,
  query: Query,
): Promise<Page<z.infer<typeof listedProduct>>> {
  const { start, end, direction } = listingRangeOf(choice);
  const { conditions, parameters } = conditionsOf('sku', [start, end]);
  const rows = await query<z.infer<typeof listedProduct>>(
    `select sku, version from products where ${conditions} order by sku ${direction} limit ?`,
    [...parameters, choice.limit + 1],
  );
  const products = rows.map(({ sku, version }) => ({ sku, version: Number(version) }));
  return pageOf(products, ({ sku }) => sku, choice.limit);
}

/** Lists batches by reference. */
export async function listBatches(
  choice: ListingChoice,
  query: Query,
): Promise<Page<z.infer<typeof listedBatch>>> {
  const { start, end, direction } = listingRangeOf(choice);
  const { conditions, parameters } = conditionsOf('reference', [start, end]);
  const rows = await query<BatchRow>(
    `select ${BATCH} from batches where ${conditions} order by reference ${direction} limit ?`,
    [...parameters, choice.limit + 1],
  );
  return pageOf(rows.map(asBatch), ({ reference }) => reference, choice.limit);
}

/** Lists batches in the order of their creation. */
export async function listBatchesByAge(
  { after, limit, isDescending }: Omit<ListingChoice, 'search'>,
  query: Query,
): Promise<Page<z.infer<typeof listedBatch>>> {
  const [beyond, direction] = isDescending ? ['<', 'desc'] : ['>', 'asc'];
  const behind = `id ${beyond} (select id from batches where reference = ?)`;
  const rows = await query<BatchRow>(
    `select ${BATCH} from batches where ${after ? behind : 'true'}
     order by id ${direction} limit ?`,
    after ? [after, limit + 1] : [limit + 1],
  );
  return pageOf(rows.map(asBatch), ({ reference }) => reference, limit);
}

/** Lists the orders that have allocated lines, by orderid. */
export async function listOrders(
  choice: ListingChoice,
  query: Query,
): Promise<Page<z.infer<typeof listedOrder>>> {
  const { start, end, beyond, direction } = listingRangeOf(choice);
  const first = conditionsOf('orderid', [start, end]);
  const rest = conditionsOf('order_lines.orderid', [end]);
  // Each step looks up the next order in the index, however many lines the orders have.
  const rows = await query<z.infer<typeof listedOrder>>(
    `with recursive listed (orderid, place) as (
       select orderid, 1 from (
         select orderid from order_lines where ${first.conditions}
         order by orderid ${direction} limit 1
       ) as head
       union all
       select (
         select order_lines.orderid from order_lines
         where order_lines.orderid ${beyond} listed.orderid and ${rest.conditions}
         order by order_lines.orderid ${direction} limit 1
       ), place + 1
       from listed where orderid is not null and place <= ?
     )
     select orderid from listed where orderid is not null order by place`,
    [...first.parameters, ...rest.parameters, choice.limit],
  );
  return pageOf(rows, ({ orderid }) => orderid, choice.limit);
}

function asBatch({ reference, sku, ...row }: BatchRow): z.infer<typeof listedBatch> {
  return { reference, sku, ...stockOf(row) };
}
