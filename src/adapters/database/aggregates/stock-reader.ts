import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { Batch } from '../../../domain/batch.ts';
import { MAX_LINES_LET_GO } from '../../../domain/commands.ts';
import type { Dialect } from '../connection/database-url.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';
import {
  asProducts,
  type BatchRow,
  type HeldLineRow,
  type LineRow,
  type LoadedProduct,
  type ProductRow,
  restoreLines,
  withHolders,
} from './stock-rows.ts';

/** The batches and lines that commands name. */
interface NamedStock {
  /** The references of batches. */
  readonly references: readonly string[];
  readonly lines: readonly NamedLine[];
}

/** The key by which commands name a line. */
export type NamedLine = readonly [orderid: string, sku: string];

/** One more than a command may let go: enough to see that there are too many. */
const ENOUGH_LINES = MAX_LINES_LET_GO + 1;
/** Batches whose surpluses round up to the same power of this base share one statement. */
const DEPTH_BASE = 10;

const LINE =
  'allocations.id, batches.reference, order_lines.orderid, order_lines.sku, order_lines.qty';
const BATCH = 'id, reference, sku, quantity, eta, allocated_quantity';

/** Reads stock for one session. The number of queries does not depend on the number of rows. */
export class StockReader {
  readonly #entityManager: SqlEntityManager;
  readonly #sql: Sql;
  readonly #dialect: Dialect;

  constructor(entityManager: SqlEntityManager, sql: Sql, dialect: Dialect) {
    this.#entityManager = entityManager;
    this.#sql = sql;
    this.#dialect = dialect;
  }

  /** Tells whether `lockProducts` may wait until another transaction has ended. */
  get waitsForProducts(): boolean {
    return this.#dialect === 'postgresql';
  }

  /** Returns the skus of the batches. A batch that does not exist has no entry. */
  async skusOfReferences(
    references: readonly string[],
  ): Promise<readonly { readonly reference: string; readonly sku: string }[]> {
    if (references.length === 0) return [];
    return this.#sql(
      `select reference, sku from batches
       where reference in (select reference from ${this.#rows({ reference: 'text' })} as wanted)`,
      [toJson(references.map((reference) => [reference]))],
    );
  }

  /** Returns the orders' lines, at most `MAX_LINES_LET_GO` + 1 of all orders together. */
  async linesOfOrders(
    orderids: readonly string[],
  ): Promise<readonly { readonly orderid: string; readonly sku: string }[]> {
    if (orderids.length === 0) return [];
    return this.#sql(
      `select orderid, sku from order_lines
       where orderid in (select orderid from ${this.#rows({ orderid: 'text' })} as wanted)
       limit ${ENOUGH_LINES}`,
      [toJson(orderids.map((orderid) => [orderid]))],
    );
  }

  /**
   * Locks the product (see `lockProducts`), and returns it with all its batches in the order of
   * their creation, without their lines. Null: there is no such product.
   */
  async wholeProduct(sku: string): Promise<LoadedProduct | null> {
    const [rows, batches] = await Promise.all([
      this.lockProducts([sku]),
      this.#sql<BatchRow>(`select ${BATCH} from batches where sku = ? order by id`, [sku]),
    ]);
    return asProducts(rows, batches)[0] ?? null;
  }

  /**
   * Returns what commands can need of the locked products, in the order of creation:
   *
   * - the batches with enough left for a line that may come;
   * - the named batches;
   * - the batches that hold a named line;
   * - the named lines that are allocated.
   *
   * Only a command that names a batch, or a line in a batch, can increase what is left of that
   * batch. So a batch that this method leaves out can neither take a line nor let one go.
   * @param smallestLine the smallest qty that may come, by sku; without an entry, any qty may come
   */
  async neededStock(
    skus: readonly string[],
    rows: readonly ProductRow[] | Promise<readonly ProductRow[]>,
    { references, lines }: NamedStock,
    smallestLine: ReadonlyMap<string, number>,
  ): Promise<{ readonly products: readonly LoadedProduct[]; readonly lines: readonly LineRow[] }> {
    if (skus.length === 0) return { products: [], lines: [] };
    const [locked, batches, held] = await Promise.all([
      rows,
      this.#sql<BatchRow>(
        `select id, reference, batches.sku, quantity, eta, allocated_quantity
         from ${this.#rows({ sku: 'text', qty: 'bigint' })} as wanted
         join batches on batches.sku = wanted.sku
         where quantity - allocated_quantity >= wanted.qty
           or reference in (select reference from ${this.#rows({ reference: 'text' })} as named)
         order by id`,
        [
          toJson(skus.map((sku) => [sku, smallestLine.get(sku) ?? 1])),
          toJson(references.map((reference) => [reference])),
        ],
      ),
      this.#heldLines(lines),
    ]);
    return { products: asProducts(locked, withHolders(batches, held)), lines: held };
  }

  /**
   * Returns the products' rows. PostgreSQL locks the rows until the transaction ends, in the order
   * of the skus, so that two transactions cannot wait for each other.
   */
  async lockProducts(skus: readonly string[]): Promise<readonly ProductRow[]> {
    if (skus.length === 0) return [];
    const lock = this.#dialect === 'postgresql' ? 'for update' : '';
    return this.#sql<ProductRow>(
      `select sku, version, source_topic, source_partition, next_offset from products
       where sku in (select sku from ${this.#rows({ sku: 'text' })} as wanted)
       order by sku ${lock}`,
      [toJson(skus.map((sku) => [sku]))],
    );
  }

  /**
   * Locks the batch's product, as every change of a batch requires, and returns the batch without
   * its lines. Null: there is no such batch.
   */
  async batch(reference: string): Promise<Batch | null> {
    if (this.#dialect === 'postgresql') {
      await this.#sql(
        `select sku from products
         where sku in (select sku from batches where reference = ?) for update`,
        [reference],
      );
    }
    return this.#entityManager.findOne(Batch, { reference });
  }

  /** Returns the lines that are allocated. */
  async #heldLines(lines: readonly NamedLine[]): Promise<readonly HeldLineRow[]> {
    if (lines.length === 0) return [];
    return this.#sql<HeldLineRow>(
      `select ${LINE}, batches.id as batch_id, batches.quantity, batches.eta,
         batches.allocated_quantity
       from ${this.#rows({ orderid: 'text', sku: 'text' })} as wanted
       join order_lines on order_lines.orderid = wanted.orderid and order_lines.sku = wanted.sku
       join allocations on allocations.orderline_id = order_lines.id
       join batches on batches.id = allocations.batch_id`,
      [toJson(lines)],
    );
  }

  /** Reads all lines of each batch into that batch. */
  async restoreAllLines(batches: ReadonlyMap<string, Batch>): Promise<void> {
    if (batches.size === 0) return;
    const wanted = this.#rows({ reference: 'text' });
    const rows = await this.#sql<LineRow>(
      `select ${LINE} from ${wanted} as wanted
       join batches on batches.reference = wanted.reference
       join allocations on allocations.batch_id = batches.id
       join order_lines on order_lines.id = allocations.orderline_id`,
      [toJson([...batches.keys()].map((reference) => [reference]))],
    );
    restoreLines(batches, rows);
  }

  /**
   * Returns the newest lines of each batch: enough to cover its surplus, at most
   * `MAX_LINES_LET_GO` + 1. Earlier commands of the same transaction change the surplus only
   * through loaded lines: named lines, or new lines, which are newer still.
   *
   * A line has a qty of 1 or more, so the surplus also bounds how many lines a statement reads.
   * SQLite takes one bound per statement. So batches with surpluses of similar size share a
   * statement.
   */
  async linesThatMayBeLetGo(surpluses: ReadonlyMap<string, number>): Promise<readonly LineRow[]> {
    const depthOf = (surplus: number) =>
      Math.min(MAX_LINES_LET_GO, DEPTH_BASE ** Math.ceil(Math.log10(surplus)));
    const bySize = Map.groupBy(surpluses, ([, surplus]) => depthOf(surplus));
    const lines = await Promise.all(
      [...bySize].map(([depth, batches]) => this.#newestLines(batches, depth)),
    );
    return lines.flat();
  }

  async #newestLines(
    batches: readonly (readonly [reference: string, surplus: number])[],
    depth: number,
  ): Promise<readonly LineRow[]> {
    return this.#sql<LineRow>(
      `with shrinking as materialized (
         select batches.id, batches.reference, wanted.surplus, coalesce((
           select newer.id from allocations as newer
           where newer.batch_id = batches.id order by newer.id desc limit 1 offset ${depth}
         ), 0) as oldest_id
         from ${this.#rows({ reference: 'text', surplus: 'bigint' })} as wanted
         join batches on batches.reference = wanted.reference
       )
       select id, reference, orderid, sku, qty
       from (
         select allocations.id, shrinking.reference, order_lines.orderid, order_lines.sku,
           order_lines.qty, shrinking.surplus,
           sum(order_lines.qty) over (partition by shrinking.id order by allocations.id desc)
             - order_lines.qty as newer_qty
         from shrinking
         join allocations on allocations.batch_id = shrinking.id
           and allocations.id >= shrinking.oldest_id
         join order_lines on order_lines.id = allocations.orderline_id
       ) as newest
       where newer_qty < surplus`,
      [toJson(batches)],
    );
  }

  #rows(columns: Parameters<typeof jsonRows>[1]): string {
    return jsonRows(this.#dialect, columns);
  }
}

function toJson(rows: readonly (readonly (string | number)[])[]): string {
  return JSON.stringify(rows);
}
