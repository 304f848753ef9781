import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { Batch, OrderLine, Product } from '../../domain/model.ts';
import type { PartitionOffset } from '../../service-layer/unit-of-work.ts';
import type { CommandNeeds } from './command-needs.ts';
import { jsonRows } from './json-rows.ts';
import type { Dialect } from './options.ts';
import type { Sql } from './transaction.ts';

/** An allocated line as it lies in the database. `id`: of the allocation; a higher one is newer. */
export interface LineRow {
  readonly id: number;
  readonly reference: string;
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

interface ProductRow {
  readonly sku: string;
  readonly version: number;
  readonly source_topic: string | null;
  readonly source_partition: number;
  readonly next_offset: number;
}

/** A product, and the lane that wrote it last; null: none did. */
interface LoadedProduct {
  readonly product: Product;
  readonly writtenBy: PartitionOffset | null;
}

interface BatchRow {
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
  readonly allocated_quantity: number;
}

const LINE = 'allocations.id, batches.reference, order_lines.orderid, order_lines.sku, order_lines.qty';
const THEIR_ALLOCATIONS = `join allocations on allocations.orderline_id = order_lines.id
  join batches on batches.id = allocations.batch_id`;

/** Reads aggregates for one session, each kind with one query, however many there are. */
export class Loading {
  readonly #entityManager: SqlEntityManager;
  readonly #sql: Sql;
  readonly #dialect: Dialect;

  constructor(entityManager: SqlEntityManager, sql: Sql, dialect: Dialect) {
    this.#entityManager = entityManager;
    this.#sql = sql;
    this.#dialect = dialect;
  }

  /** Whether `products` may wait for another transaction, which ends meanwhile. */
  get waitsForProducts(): boolean {
    return this.#dialect === 'postgresql';
  }

  /** The skus of the batches that exist. */
  async skusOfReferences(references: readonly string[]): Promise<readonly { readonly reference: string; readonly sku: string }[]> {
    if (references.length === 0) return [];
    return this.#sql(
      `select reference, sku from batches where reference in (select reference from ${this.#rows({ reference: 'text' })} as wanted)`,
      [json(references.map((reference) => [reference]))],
    );
  }

  /** The skus on which the orders have a line. */
  async skusOfOrders(orderids: readonly string[]): Promise<readonly { readonly orderid: string; readonly sku: string }[]> {
    if (orderids.length === 0) return [];
    return this.#sql(
      `select orderid, sku from order_lines where orderid in (select orderid from ${this.#rows({ orderid: 'text' })} as wanted)`,
      [json(orderids.map((orderid) => [orderid]))],
    );
  }

  /**
   * The products with all their batches, in the order of creation, and none of their lines. On PostgreSQL their rows are
   * locked until the transaction ends, in the order of their skus, so that two transactions cannot wait for each other.
   */
  async products(skus: readonly string[]): Promise<readonly LoadedProduct[]> {
    if (skus.length === 0) return [];
    const ofSkus = `where sku in (select sku from ${this.#rows({ sku: 'text' })} as wanted)`;
    const wanted = [json(skus.map((sku) => [sku]))];
    const lock = this.#dialect === 'postgresql' ? 'for update' : '';
    const [rows, batches] = await Promise.all([
      this.#sql<ProductRow>(
        `select sku, version, source_topic, source_partition, next_offset from products ${ofSkus} order by sku ${lock}`,
        wanted,
      ),
      this.#sql<BatchRow>(`select reference, sku, quantity, eta, allocated_quantity from batches ${ofSkus} order by id`, wanted),
    ]);
    const bySku = Map.groupBy(batches, ({ sku }) => sku);
    return rows.map((row) => ({
      product: new Product(row.sku, row.version, bySku.get(row.sku)?.map(asBatch)),
      writtenBy: writerOf(row),
    }));
  }

  /** A batch without its lines. Its product is locked like those above: whoever changes one of its batches holds it. */
  async batch(reference: string): Promise<Batch | null> {
    if (this.#dialect === 'postgresql') {
      await this.#sql('select sku from products where sku in (select sku from batches where reference = ?) for update', [reference]);
    }
    return this.#entityManager.findOne(Batch, { reference });
  }

  /** The lines that the commands can touch: a bounded number, however long the history. */
  async neededLines(needs: CommandNeeds): Promise<readonly LineRow[]> {
    const wanted = this.#rows({ orderid: 'text', sku: 'text' });
    const wantedOrders = this.#rows({ orderid: 'text' });
    const found = await Promise.all([
      needs.lines.length > 0 &&
        this.#sql<LineRow>(
          `select ${LINE} from ${wanted} as wanted
           join order_lines on order_lines.orderid = wanted.orderid and order_lines.sku = wanted.sku ${THEIR_ALLOCATIONS}`,
          [json(needs.lines)],
        ),
      needs.orders.size > 0 &&
        this.#sql<LineRow>(
          `select ${LINE} from ${wantedOrders} as wanted join order_lines on order_lines.orderid = wanted.orderid ${THEIR_ALLOCATIONS}`,
          [json([...needs.orders.keys()].map((orderid) => [orderid]))],
        ),
      needs.smallestQuantity.size > 0 && this.#linesThatMayBeLetGo(needs.smallestQuantity),
    ]);
    return [...new Map(found.flatMap((rows) => rows || []).map((row) => [row.id, row])).values()];
  }

  /** Puts all its lines into each batch. */
  async restoreAllLines(batches: ReadonlyMap<string, Batch>): Promise<void> {
    if (batches.size === 0) return;
    const wanted = this.#rows({ reference: 'text' });
    const rows = await this.#sql<LineRow>(
      `select ${LINE} from ${wanted} as wanted
       join batches on batches.reference = wanted.reference
       join allocations on allocations.batch_id = batches.id
       join order_lines on order_lines.id = allocations.orderline_id`,
      [json([...batches.keys()].map((reference) => [reference]))],
    );
    restoreLines(batches, rows);
  }

  /**
   * For each batch its newest lines, as many as must go for it to fit the smallest quantity. Commands handled before may
   * change how much that is, but only by lines that are known then: new ones, which are newer still, or named ones.
   */
  async #linesThatMayBeLetGo(smallestQuantity: ReadonlyMap<string, number>): Promise<readonly LineRow[]> {
    const wanted = this.#rows({ reference: 'text', quantity: 'bigint' });
    return this.#sql<LineRow>(
      `select id, reference, orderid, sku, qty
       from (
         select allocations.id, batches.reference, order_lines.orderid, order_lines.sku, order_lines.qty,
           batches.allocated_quantity - wanted.quantity as surplus,
           sum(order_lines.qty) over (partition by batches.id order by allocations.id desc) - order_lines.qty as newer_qty
         from ${wanted} as wanted
         join batches on batches.reference = wanted.reference and batches.allocated_quantity > wanted.quantity
         join allocations on allocations.batch_id = batches.id
         join order_lines on order_lines.id = allocations.orderline_id
       ) as newest
       where newer_qty < surplus`,
      [json([...smallestQuantity])],
    );
  }

  #rows(columns: Parameters<typeof jsonRows>[1]): string {
    return jsonRows(this.#dialect, columns);
  }
}

function writerOf({ source_topic: topic, source_partition: partition, next_offset: nextOffset }: ProductRow): PartitionOffset | null {
  return topic === null ? null : { topic, partition, nextOffset };
}

function asBatch({ reference, sku, quantity, eta, allocated_quantity }: BatchRow): Batch {
  return new Batch(reference, sku, quantity, eta, allocated_quantity);
}

/** Oldest first: the order in which a batch lets its lines go, from the newest on. */
export function restoreLines(batches: ReadonlyMap<string, Batch>, rows: readonly LineRow[]): void {
  for (const { reference, orderid, sku, qty } of rows.toSorted((a, b) => a.id - b.id)) {
    batches.get(reference)?.restoreLine(new OrderLine(orderid, sku, qty));
  }
}

function json(rows: readonly (readonly (string | number)[])[]): string {
  return JSON.stringify(rows);
}
