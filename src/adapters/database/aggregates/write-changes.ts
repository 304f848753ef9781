import type { OrderLine } from '../../../domain/order-line.ts';
import type { Product } from '../../../domain/product.ts';
import { DatabaseTroubleError } from '../../../service-layer/errors.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import type { Dialect } from '../connection/database-url.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';
import type { BatchChanges } from './batch-repository.ts';
import type { Changes } from './repository.ts';

const LINE_KEY = { orderid: 'text', sku: 'text' } as const;
const LINE = { ...LINE_KEY, qty: 'bigint' } as const;
const TAKEN = { place: 'bigint', reference: 'text', ...LINE } as const;
const PRODUCT = { sku: 'text', version: 'bigint' } as const;
const CHANGED_PRODUCT = { ...PRODUCT, loaded: 'bigint' } as const;
const BATCH = {
  place: 'bigint',
  reference: 'text',
  sku: 'text',
  quantity: 'bigint',
  eta: 'text',
  allocated_quantity: 'bigint',
} as const;
const CHANGED_BATCH = {
  reference: 'text',
  quantity: 'bigint',
  allocated_quantity: 'bigint',
} as const;

/** What a session must write. */
interface SessionChanges {
  /** A product is compared by the version that the database has. */
  readonly products: Changes<Product, number>;
  readonly batches: BatchChanges;
  /** Lines that were added without a batch. */
  readonly orderLines: Changes<OrderLine, unknown>;
}

/**
 * Writes the changes with one statement per table and kind of change, each fed by one JSON
 * parameter. Sends all statements without waiting in between; they run in this order.
 *
 * Products are compared with the version that was loaded. Lines are written in the order in which
 * they were taken, because a higher id means a newer allocation.
 * @param by the lane whose transaction this is; null: no lane
 * @throws {DatabaseTroubleError} another transaction has changed a product since it was loaded
 */
export async function writeChanges(
  sql: Sql,
  dialect: Dialect,
  by: PartitionOffset | null,
  { products, batches, orderLines }: SessionChanges,
): Promise<void> {
  const write = async (
    statement: string,
    rows: readonly (readonly unknown[])[],
    before: readonly (string | number | null)[] = [],
  ) => (rows.length === 0 ? 0 : sql.run(statement, [...before, JSON.stringify(rows)]));
  const linesLetGo = batches.linesLetGo.map(({ orderid, sku }) => [orderid, sku]);
  const linesTaken = takenRows(batches);
  const writer = [by?.topic ?? null, by?.partition ?? null, by?.nextOffset ?? null];
  const statements = STATEMENTS[dialect];
  const [, , , updatedProducts] = await Promise.all([
    write(statements.deleteAllocations, linesLetGo),
    write(statements.deleteLines, linesLetGo),
    write(
      statements.insertProducts,
      products.added.map(({ sku, version }) => [sku, version]),
      writer,
    ),
    write(
      statements.updateProducts,
      products.changed.map(([{ sku, version }, storedVersion]) => [sku, version, storedVersion]),
      writer,
    ),
    write(
      statements.insertBatches,
      batches.added.map(({ reference, sku, quantity, eta, allocatedQuantity }, place) => [
        place,
        reference,
        sku,
        quantity,
        eta,
        allocatedQuantity,
      ]),
    ),
    write(
      statements.updateBatches,
      batches.changed.map(([{ reference, quantity, allocatedQuantity }]) => [
        reference,
        quantity,
        allocatedQuantity,
      ]),
    ),
    write(
      statements.insertLines,
      orderLines.added.map(({ orderid, sku, qty }) => [orderid, sku, qty]),
    ),
    write(statements.upsertLines, linesTaken),
    write(statements.insertAllocations, linesTaken),
  ]);
  if (updatedProducts < products.changed.length)
    throw new DatabaseTroubleError('Another transaction has changed a product since it was loaded');
}

function takenRows({ linesTaken }: BatchChanges): readonly (readonly unknown[])[] {
  return linesTaken.map(([{ reference }, line], place) => {
    return [place, reference, line.orderid, line.sku, line.qty];
  });
}

const STATEMENTS = {
  sqlite: statementsFor('sqlite'),
  postgresql: statementsFor('postgresql'),
} as const;

function statementsFor(dialect: Dialect) {
  const rows = (columns: Parameters<typeof jsonRows>[1]) => jsonRows(dialect, columns);
  const goneIds = `select order_lines.id from ${rows(LINE_KEY)} as gone cross join order_lines
    where order_lines.orderid = gone.orderid and order_lines.sku = gone.sku`;
  return {
    deleteAllocations: `delete from allocations where orderline_id in (${goneIds})`,
    deleteLines: `delete from order_lines where id in (${goneIds})`,
    insertProducts: `insert into products
        (source_topic, source_partition, next_offset, sku, version)
      select cast(? as text), cast(? as int), cast(? as bigint), sku, version
      from ${rows(PRODUCT)} as added`,
    updateProducts: `update products
      set source_topic = ?, source_partition = ?, next_offset = ?, version = changed.version
      from ${rows(CHANGED_PRODUCT)} as changed
      where products.sku = changed.sku and products.version = changed.loaded`,
    insertBatches: `insert into batches (reference, sku, quantity, eta, allocated_quantity)
      select reference, sku, quantity, eta, allocated_quantity
      from ${rows(BATCH)} as added order by place`,
    updateBatches: `update batches
      set quantity = changed.quantity, allocated_quantity = changed.allocated_quantity
      from ${rows(CHANGED_BATCH)} as changed
      where batches.reference = changed.reference`,
    insertLines: `insert into order_lines (orderid, sku, qty)
      select orderid, sku, qty from ${rows(LINE)} as added`,
    upsertLines: `insert into order_lines (orderid, sku, qty)
      select orderid, sku, qty from ${rows(TAKEN)} as taken where true order by place
      on conflict (orderid, sku) do update set qty = excluded.qty`,
    insertAllocations: `insert into allocations (batch_id, orderline_id)
      select batches.id, order_lines.id from ${rows(TAKEN)} as taken
      join batches on batches.reference = taken.reference
      join order_lines on order_lines.orderid = taken.orderid and order_lines.sku = taken.sku
      order by taken.place`,
  };
}
