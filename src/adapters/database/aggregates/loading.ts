import type { SqlEntityManager } from '@mikro-orm/sqlite';
import { MAX_LINES_LET_GO } from '../../../domain/commands.ts';
import { Batch, OrderLine, Product } from '../../../domain/model.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import type { Dialect } from '../connection/options.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';

/** An allocated line as it lies in the database. `id`: of the allocation; a higher one is newer. */
export interface LineRow {
  readonly id: number;
  readonly reference: string;
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

/** A product's own row. */
export interface ProductRow {
  readonly sku: string;
  readonly version: number;
  readonly source_topic: string | null;
  readonly source_partition: number;
  readonly next_offset: number;
}

/** A product, and the lane that wrote it last; null: none did. */
export interface LoadedProduct {
  readonly product: Product;
  readonly writtenBy: PartitionOffset | null;
}

/** A line with the batch that it is allocated from. */
interface HeldLineRow extends LineRow {
  readonly batch_id: number;
  readonly quantity: number;
  readonly eta: string | null;
  readonly allocated_quantity: number;
}

/** What commands name of the products that they are about. */
export interface NamedStock {
  /** Of batches. */
  readonly references: readonly string[];
  readonly lines: readonly NamedLine[];
}

/** A line as commands name it. */
export type NamedLine = readonly [orderid: string, sku: string];

interface BatchRow {
  readonly id: number;
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
  readonly allocated_quantity: number;
}

/** One more than a command may let go: enough to tell that they are too many. */
const ENOUGH_LINES = MAX_LINES_LET_GO + 1;
/** Batches whose surplus has as many digits are looked at together. */
const DIGITS = 10;

const LINE =
  'allocations.id, batches.reference, order_lines.orderid, order_lines.sku, order_lines.qty';
const BATCH = 'id, reference, sku, quantity, eta, allocated_quantity';

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

  /** Whether `lockProducts` may wait for another transaction, which ends meanwhile. */
  get waitsForProducts(): boolean {
    return this.#dialect === 'postgresql';
  }

  /** The skus of the batches that exist. */
  async skusOfReferences(
    references: readonly string[],
  ): Promise<readonly { readonly reference: string; readonly sku: string }[]> {
    if (references.length === 0) return [];
    return this.#sql(
      `select reference, sku from batches where reference in (select reference from ${this.#rows({ reference: 'text' })} as wanted)`,
      [json(references.map((reference) => [reference]))],
    );
  }

  /** The orders' lines, of all orders together at most `MAX_LINES_LET_GO` and one. */
  async linesOfOrders(
    orderids: readonly string[],
  ): Promise<readonly { readonly orderid: string; readonly sku: string }[]> {
    if (orderids.length === 0) return [];
    return this.#sql(
      `select orderid, sku from order_lines where orderid in (select orderid from ${this.#rows({ orderid: 'text' })} as wanted)
       limit ${ENOUGH_LINES}`,
      [json(orderids.map((orderid) => [orderid]))],
    );
  }

  /** The product with all its batches, in the order of creation, and none of their lines. Locked like those below. */
  async wholeProduct(sku: string): Promise<LoadedProduct | null> {
    const [rows, batches] = await Promise.all([
      this.lockProducts([sku]),
      this.#sql<BatchRow>(`select ${BATCH} from batches where sku = ? order by id`, [sku]),
    ]);
    return asProducts(rows, batches)[0] ?? null;
  }

  /**
   * What commands can need of the locked products: of their batches, in the order of creation, those
   * with enough left for a line that may come, those named, and those that hold a named line; and
   * the named lines that are allocated. Nothing but a command that names a batch, or a line in it,
   * leaves more of it than before: so a batch that is left out cannot take a line in, and gives none
   * up.
   * @param smallestLine of each sku the smallest qty that may come; where it is not named, any may
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
         from ${this.#rows({ sku: 'text', qty: 'bigint' })} as wanted join batches on batches.sku = wanted.sku
         where quantity - allocated_quantity >= wanted.qty
           or reference in (select reference from ${this.#rows({ reference: 'text' })} as named)
         order by id`,
        [
          json(skus.map((sku) => [sku, smallestLine.get(sku) ?? 1])),
          json(references.map((reference) => [reference])),
        ],
      ),
      this.#heldLines(lines),
    ]);
    return { products: asProducts(locked, withHolders(batches, held)), lines: held };
  }

  /**
   * On PostgreSQL the products' rows are locked until the transaction ends, in the order of their
   * skus, so that two transactions cannot wait for each other.
   */
  async lockProducts(skus: readonly string[]): Promise<readonly ProductRow[]> {
    if (skus.length === 0) return [];
    const lock = this.#dialect === 'postgresql' ? 'for update' : '';
    return this.#sql<ProductRow>(
      `select sku, version, source_topic, source_partition, next_offset from products
       where sku in (select sku from ${this.#rows({ sku: 'text' })} as wanted) order by sku ${lock}`,
      [json(skus.map((sku) => [sku]))],
    );
  }

  /** A batch without its lines. Its product is locked like those above: whoever changes one of its batches holds it. */
  async batch(reference: string): Promise<Batch | null> {
    if (this.#dialect === 'postgresql') {
      await this.#sql(
        'select sku from products where sku in (select sku from batches where reference = ?) for update',
        [reference],
      );
    }
    return this.#entityManager.findOne(Batch, { reference });
  }

  /** Those of the lines that are allocated. */
  async #heldLines(lines: readonly NamedLine[]): Promise<readonly HeldLineRow[]> {
    if (lines.length === 0) return [];
    return this.#sql<HeldLineRow>(
      `select ${LINE}, batches.id as batch_id, batches.quantity, batches.eta, batches.allocated_quantity
       from ${this.#rows({ orderid: 'text', sku: 'text' })} as wanted
       join order_lines on order_lines.orderid = wanted.orderid and order_lines.sku = wanted.sku
       join allocations on allocations.orderline_id = order_lines.id
       join batches on batches.id = allocations.batch_id`,
      [json(lines)],
    );
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
   * For each batch its newest lines, as many as must go for it to lose the surplus, at most
   * `MAX_LINES_LET_GO` and one. Commands handled before may change how much the surplus is, but only
   * by lines that are known then: new ones, which are newer still, or named ones.
   *
   * A line has a qty of 1 or more, so the surplus also bounds how many lines are looked at. SQLite
   * takes one bound for a statement: batches whose surplus is of one size share a statement.
   */
  async linesThatMayBeLetGo(surpluses: ReadonlyMap<string, number>): Promise<readonly LineRow[]> {
    const deepest = (surplus: number) =>
      Math.min(MAX_LINES_LET_GO, DIGITS ** Math.ceil(Math.log10(surplus)));
    const bySize = Map.groupBy(surpluses, ([, surplus]) => deepest(surplus));
    const found = await Promise.all(
      [...bySize].map(([depth, batches]) => this.#newestLines(batches, depth)),
    );
    return found.flat();
  }

  async #newestLines(
    batches: readonly (readonly [reference: string, surplus: number])[],
    depth: number,
  ): Promise<readonly LineRow[]> {
    return this.#sql<LineRow>(
      `with shrinking as materialized (
         select batches.id, batches.reference, wanted.surplus, coalesce((
           select newer.id from allocations as newer where newer.batch_id = batches.id order by newer.id desc limit 1 offset ${depth}
         ), 0) as oldest_id
         from ${this.#rows({ reference: 'text', surplus: 'bigint' })} as wanted join batches on batches.reference = wanted.reference
       )
       select id, reference, orderid, sku, qty
       from (
         select allocations.id, shrinking.reference, order_lines.orderid, order_lines.sku, order_lines.qty, shrinking.surplus,
           sum(order_lines.qty) over (partition by shrinking.id order by allocations.id desc) - order_lines.qty as newer_qty
         from shrinking
         join allocations on allocations.batch_id = shrinking.id and allocations.id >= shrinking.oldest_id
         join order_lines on order_lines.id = allocations.orderline_id
       ) as newest
       where newer_qty < surplus`,
      [json(batches)],
    );
  }

  #rows(columns: Parameters<typeof jsonRows>[1]): string {
    return jsonRows(this.#dialect, columns);
  }
}

function writerOf({
  source_topic: topic,
  source_partition: partition,
  next_offset: nextOffset,
}: ProductRow): PartitionOffset | null {
  return topic === null ? null : { topic, partition, nextOffset };
}

/** @param batches in the order of their creation */
function asProducts(
  rows: readonly ProductRow[],
  batches: readonly BatchRow[],
): readonly LoadedProduct[] {
  const bySku = Map.groupBy(batches, ({ sku }) => sku);
  return rows.map((row) => ({
    product: new Product(row.sku, row.version, bySku.get(row.sku)?.map(asBatch)),
    writtenBy: writerOf(row),
  }));
}

/** The batches, and those that hold the lines, each once and in the order of their creation. */
function withHolders(
  batches: readonly BatchRow[],
  held: readonly HeldLineRow[],
): readonly BatchRow[] {
  const all = new Map(batches.map((batch) => [batch.id, batch]));
  const count = all.size;
  for (const { batch_id: id, reference, sku, quantity, eta, allocated_quantity } of held) {
    all.set(id, { id, reference, sku, quantity, eta, allocated_quantity });
  }
  return all.size === count ? batches : [...all.values()].sort((one, other) => one.id - other.id);
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
