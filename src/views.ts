import type { Batch, OrderLine } from './domain/model.ts';

/** How many lines, or batches, one view has at most. */
export const MAX_LINES_IN_VIEW = 1_000;

/** Loads stock as of one moment. Each batch has at most `MAX_LINES_IN_VIEW` + 1 lines. */
interface StockRepositories {
  readonly batches: { get(reference: string): Promise<Batch | null> };
  readonly orderLines: {
    /** Returns the order's lines behind the sku, in the order of their skus, at most `limit`. */
    getByOrder(orderid: string, limit: number, after?: string): Promise<readonly OrderLine[]>;
  };
}

/**
 * Runs `work` in a transaction that only reads.
 *
 * @throws {TroubleError} the database cannot be reached
 */
export type ReadStock = <T>(work: (stock: StockRepositories) => Promise<T>) => Promise<T>;

/**
 * Runs a statement outside any transaction. The statement must work on SQLite and PostgreSQL.
 *
 * @throws {TroubleError} the database cannot be reached
 */
export type Query = <Row>(
  statement: string,
  parameters?: readonly (string | number | null)[],
) => Promise<Row[]>;

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** The name behind which the next page begins. Null: this page is the last one. */
  readonly next: string | null;
}

/** One allocated line of an order. */
interface AllocationView {
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

/**
 * Reads one page of the allocated lines of an order, in the order of their skus.
 *
 * @param after the sku behind which the page begins; empty: the first page
 */
export async function allocationsOf(
  orderid: string,
  query: Query,
  after = '',
): Promise<Page<AllocationView>> {
  const rows = await query<AllocationView>(
    `select order_lines.sku, order_lines.qty, batches.reference as batchref
     from order_lines
     join allocations on allocations.orderline_id = order_lines.id
     join batches on batches.id = allocations.batch_id
     where order_lines.orderid = ? and order_lines.sku > ?
     order by order_lines.sku limit ${MAX_LINES_IN_VIEW + 1}`,
    [orderid, after],
  );
  const lines = rows.map(({ sku, qty, batchref }) => ({ sku, qty: Number(qty), batchref }));
  return pageOf(lines, ({ sku }) => sku);
}

/** A product with its stock. */
interface ProductView {
  readonly sku: string;
  readonly version: number;
  readonly batches: readonly {
    readonly reference: string;
    readonly quantity: number;
    readonly availableQuantity: number;
    readonly eta: string | null;
  }[];
  /** Whether the product has more batches than the view. */
  readonly hasMoreBatches: boolean;
}

interface BatchRow {
  readonly version: number;
  /** Null: no batch of the product is on the page. */
  readonly reference: string | null;
  readonly quantity: number;
  readonly allocated_quantity: number;
  readonly eta: string | null;
}

/** The columns by which stock is allocated. A batch without an eta is in stock, and comes first. */
const TURN = "coalesce(batches.eta, ''), batches.id";

/**
 * Reads a product with one page of its batches, in the order in which stock is allocated.
 *
 * @param after the reference of the batch behind which the page begins; null: the first page
 * @returns null: no batch of the sku was ever created
 */
export async function productView(
  sku: string,
  query: Query,
  after: string | null = null,
): Promise<(ProductView & Pick<Page<never>, 'next'>) | null> {
  const behind =
    after === null
      ? ''
      : `and (${TURN}) > (select ${TURN} from batches where reference = ? and sku = products.sku)`;
  const rows = await query<BatchRow>(
    `select products.version, batches.reference, batches.quantity, batches.allocated_quantity,
       batches.eta
     from products left join batches on batches.sku = products.sku ${behind}
     where products.sku = ?
     order by ${TURN} limit ${MAX_LINES_IN_VIEW + 1}`,
    after === null ? [sku] : [after, sku],
  );
  const [first] = rows;
  if (!first) return null;
  const batches = rows.flatMap(({ reference, quantity, allocated_quantity, eta }) => {
    if (reference === null) return [];
    const availableQuantity = Number(quantity) - Number(allocated_quantity);
    return [{ reference, quantity: Number(quantity), availableQuantity, eta }];
  });
  const { items, next } = pageOf(batches, ({ reference }) => reference);
  return {
    sku,
    version: Number(first.version),
    batches: items,
    hasMoreBatches: next !== null,
    next,
  };
}

/** A batch with its allocated lines. */
interface BatchView {
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly availableQuantity: number;
  readonly eta: string | null;
  readonly lines: readonly { readonly orderid: string; readonly qty: number }[];
  /** Whether the batch has more lines than the view. */
  readonly hasMoreLines: boolean;
}

/**
 * Reads a batch with its allocated lines, oldest first.
 *
 * @returns null: there is no such batch
 */
export async function batchView(reference: string, read: ReadStock): Promise<BatchView | null> {
  const batch = await read(({ batches }) => batches.get(reference));
  if (!batch) return null;
  const { sku, quantity, availableQuantity, eta } = batch;
  const lines = [...batch.lines].map(({ orderid, qty }) => ({ orderid, qty }));
  return { reference, sku, quantity, availableQuantity, eta, ...inBounds(lines) };
}

/** An order with the lines that are allocated. */
interface OrderView {
  readonly orderid: string;
  readonly lines: readonly { readonly sku: string; readonly qty: number }[];
  /** Whether the order has more lines than the view. */
  readonly hasMoreLines: boolean;
}

/**
 * Reads one page of the lines of an order, in the order of their skus.
 *
 * @param after the sku behind which the page begins; empty: the first page
 */
export async function orderView(
  orderid: string,
  read: ReadStock,
  after = '',
): Promise<OrderView & Pick<Page<never>, 'next'>> {
  const lines = await read(({ orderLines }) =>
    orderLines.getByOrder(orderid, MAX_LINES_IN_VIEW + 1, after),
  );
  const page = pageOf(lines, ({ sku }) => sku);
  const shown = page.items.map(({ sku, qty }) => ({ sku, qty }));
  return { orderid, lines: shown, hasMoreLines: page.next !== null, next: page.next };
}

/** Cuts a page. @param items one more than the page may have, if the list goes on */
function pageOf<Item>(items: readonly Item[], nameOf: (item: Item) => string): Page<Item> {
  const page = items.slice(0, MAX_LINES_IN_VIEW);
  const last = page.at(-1);
  return { items: page, next: items.length > page.length && last ? nameOf(last) : null };
}

function inBounds<Line>(lines: readonly Line[]) {
  return {
    lines: lines.slice(0, MAX_LINES_IN_VIEW),
    hasMoreLines: lines.length > MAX_LINES_IN_VIEW,
  };
}
