import type { Batch, OrderLine } from './domain/model.ts';

/** How many lines one view of a batch or of an order has at most. */
export const MAX_LINES_IN_VIEW = 1_000;

/** Loads stock as it is at one moment, a batch with at most `MAX_LINES_IN_VIEW` + 1 lines. */
interface StockRepositories {
  readonly batches: { get(reference: string): Promise<Batch | null> };
  readonly orderLines: {
    /** Returns the order's lines in the order of their skus, at most `limit`. */
    getByOrder(orderid: string, limit: number): Promise<readonly OrderLine[]>;
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

/** One allocated line of an order. */
interface AllocationView {
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

/** Reads the allocated lines of an order, in the order of their skus. */
export async function allocationsOf(
  orderid: string,
  query: Query,
): Promise<readonly AllocationView[]> {
  const rows = await query<AllocationView>(
    `select order_lines.sku, order_lines.qty, batches.reference as batchref
     from order_lines
     join allocations on allocations.orderline_id = order_lines.id
     join batches on batches.id = allocations.batch_id
     where order_lines.orderid = ?
     order by order_lines.sku`,
    [orderid],
  );
  return rows.map(({ sku, qty, batchref }) => ({ sku, qty: Number(qty), batchref }));
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
}

interface BatchRow {
  readonly version: number;
  readonly reference: string;
  readonly quantity: number;
  readonly allocated_quantity: number;
  readonly eta: string | null;
}

/**
 * Reads a product with its batches, in the order in which stock is allocated.
 *
 * @returns null: no batch of the sku was ever created
 */
export async function productView(sku: string, query: Query): Promise<ProductView | null> {
  const rows = await query<BatchRow>(
    `select products.version, batches.reference, batches.quantity, batches.allocated_quantity,
       batches.eta
     from products join batches on batches.sku = products.sku
     where products.sku = ?
     order by case when batches.eta is null then 0 else 1 end, batches.eta, batches.id`,
    [sku],
  );
  const [first] = rows;
  if (!first) return null;
  return {
    sku,
    version: Number(first.version),
    batches: rows.map(({ reference, quantity, allocated_quantity, eta }) => ({
      reference,
      quantity: Number(quantity),
      availableQuantity: Number(quantity) - Number(allocated_quantity),
      eta,
    })),
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
 * Reads the lines of an order, in the order of their skus.
 *
 * @returns null: the order has no line
 */
export async function orderView(orderid: string, read: ReadStock): Promise<OrderView | null> {
  const lines = await read(({ orderLines }) =>
    orderLines.getByOrder(orderid, MAX_LINES_IN_VIEW + 1),
  );
  if (lines.length === 0) return null;
  return { orderid, ...inBounds(lines.map(({ sku, qty }) => ({ sku, qty }))) };
}

function inBounds<Line>(lines: readonly Line[]) {
  return {
    lines: lines.slice(0, MAX_LINES_IN_VIEW),
    hasMoreLines: lines.length > MAX_LINES_IN_VIEW,
  };
}
