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
