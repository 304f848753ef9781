import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { Command } from '../../../domain/commands.ts';
import type { Identity } from '../../../domain/identity.ts';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { LaneTransaction } from '../../../service-layer/lane-store.ts';
import type {
  IdentifiedCommand,
  Parked,
  ParkedChanges,
} from '../../../service-layer/parked-command.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import type { Dialect } from '../connection/options.ts';
import { jsonRows } from '../json-rows.ts';
import { readParked, writeParked } from '../lanes/parked-commands.ts';
import { claim } from '../lanes/processed-commands.ts';
import type { Sql } from '../transaction.ts';
import { Loading } from './loading.ts';
import {
  SqlBatchRepository,
  SqlOrderLineRepository,
  SqlProductRepository,
} from './repositories.ts';
import { TrackedBatches } from './tracking.ts';

/** What hears of failures that must not undo anything. */
export type OnError = (error: unknown) => void;

/*
 * Guarantee: what the aggregates became is written whole with the transaction, or not at all; work for after the commit runs only if it committed.
 *
 * 1. load, and let the handlers change the aggregates in memory;
 * 2. `flush`: one statement per table and kind of change, fed by one JSON parameter: lines let go, products (on the version they were loaded
 *    with), batches, lines taken, in the order in which they were taken: a higher id is a newer allocation;
 * 3. the database commits;
 * 4. `runAfterCommit`.
 *
 * A crash before 3 leaves nothing, between 3 and 4 loses the work for after the commit: it is for what may be lost.
 */
export class SqlUnitOfWork implements LaneTransaction {
  /** Statements in this transaction. What they change behind the back of loaded aggregates is the caller's business. */
  readonly sql: Sql;
  readonly products: SqlProductRepository;
  readonly batches: SqlBatchRepository;
  readonly orderLines: SqlOrderLineRepository;
  readonly #dialect: Dialect;
  readonly #tracked = new TrackedBatches();
  readonly #afterCommit: (() => void | Promise<void>)[] = [];
  #parked: Promise<Parked> | null = null;
  #flushed: Promise<void> | null = null;

  constructor(entityManager: SqlEntityManager, sql: Sql, dialect: Dialect) {
    const loading = new Loading(entityManager, sql, dialect);
    this.sql = sql;
    this.#dialect = dialect;
    this.products = new SqlProductRepository(loading, this.#tracked);
    this.batches = new SqlBatchRepository(loading, this.#tracked);
    this.orderLines = new SqlOrderLineRepository(sql);
  }

  async prepare(commands: readonly Command[]): Promise<void> {
    // PostgreSQL's transactions take the lock of what is parked before they lock a product. SQLite has
    // one writer, and a wait between two statements only holds up the others.
    if (this.#dialect === 'postgresql') await this.#parked;
    await this.products.prepare(commands);
  }

  afterCommit(work: () => void | Promise<void>): void {
    this.#afterCommit.push(work);
  }

  claim(commands: readonly Identity[]): Promise<ReadonlySet<Identity>> {
    return claim(this.sql, this.#dialect, commands);
  }

  readParked(commands: readonly IdentifiedCommand[], willPark: boolean): Promise<Parked> {
    this.#parked = readParked(this.sql, this.#dialect, commands, willPark);
    return this.#parked;
  }

  writeParked(changes: ParkedChanges): Promise<void> {
    return writeParked(this.sql, this.#dialect, changes);
  }

  flush(by: PartitionOffset | null = null): Promise<void> {
    this.#flushed ??= this.#writeChanges(by);
    return this.#flushed;
  }

  writers(): readonly PartitionOffset[] {
    return this.#tracked.writers();
  }

  /** Sends every difference between what was loaded and what there is now, without waiting in between. */
  async #writeChanges(by: PartitionOffset | null): Promise<void> {
    const { newProducts, changedProducts, newBatches, changedBatches, linesLetGo, linesTaken } =
      this.#tracked.changes();
    const addedLines = this.orderLines.added.map(({ orderid, sku, qty }) => [orderid, sku, qty]);
    const writer = [by?.topic ?? null, by?.partition ?? null, by?.nextOffset ?? null];
    const goneIds = `select order_lines.id from ${this.#rows(LINE_KEY)} as gone
       cross join order_lines where order_lines.orderid = gone.orderid and order_lines.sku = gone.sku`;
    const [, , , updatedProducts] = await Promise.all([
      this.#write(`delete from allocations where orderline_id in (${goneIds})`, linesLetGo),
      this.#write(`delete from order_lines where id in (${goneIds})`, linesLetGo),
      this.#write(
        `insert into products (source_topic, source_partition, next_offset, sku, version)
         select cast(? as text), cast(? as int), cast(? as bigint), sku, version from ${this.#rows({ sku: 'text', version: 'bigint' })} as added`,
        newProducts,
        writer,
      ),
      this.#write(
        `update products set source_topic = ?, source_partition = ?, next_offset = ?, version = changed.version
         from ${this.#rows({ sku: 'text', version: 'bigint', loaded: 'bigint' })} as changed
         where products.sku = changed.sku and products.version = changed.loaded`,
        changedProducts,
        writer,
      ),
      this.#write(
        `insert into batches (reference, sku, quantity, eta, allocated_quantity)
         select reference, sku, quantity, eta, allocated_quantity from ${this.#rows(BATCH)} as added order by place`,
        newBatches,
      ),
      this.#write(
        `update batches set quantity = changed.quantity, allocated_quantity = changed.allocated_quantity
         from ${this.#rows({ reference: 'text', quantity: 'bigint', allocated_quantity: 'bigint' })} as changed
         where batches.reference = changed.reference`,
        changedBatches,
      ),
      this.#write(
        `insert into order_lines (orderid, sku, qty) select orderid, sku, qty from ${this.#rows({ ...LINE_KEY, qty: 'bigint' })} as added`,
        addedLines,
      ),
      this.#write(
        `insert into order_lines (orderid, sku, qty) select orderid, sku, qty from ${this.#rows(TAKEN)} as taken where true order by place
         on conflict (orderid, sku) do update set qty = excluded.qty`,
        linesTaken,
      ),
      this.#write(
        `insert into allocations (batch_id, orderline_id)
         select batches.id, order_lines.id from ${this.#rows(TAKEN)} as taken
         join batches on batches.reference = taken.reference
         join order_lines on order_lines.orderid = taken.orderid and order_lines.sku = taken.sku
         order by taken.place`,
        linesTaken,
      ),
    ]);
    if (updatedProducts < changedProducts.length)
      throw new TroubleError('A product has changed since it was loaded');
  }

  /** @param onError hears of work that failed: nothing is undone, and what is left still runs */
  async runAfterCommit(onError: OnError): Promise<void> {
    for (const work of this.#afterCommit.splice(0)) {
      try {
        await work();
      } catch (error) {
        onError(error);
      }
    }
  }

  async #write(
    statement: string,
    rows: readonly (readonly unknown[])[],
    before: readonly (string | number | null)[] = [],
  ): Promise<number> {
    return rows.length === 0 ? 0 : this.sql.run(statement, [...before, JSON.stringify(rows)]);
  }

  #rows(columns: Parameters<typeof jsonRows>[1]): string {
    return jsonRows(this.#dialect, columns);
  }
}

const LINE_KEY = { orderid: 'text', sku: 'text' } as const;
const TAKEN = { place: 'bigint', reference: 'text', ...LINE_KEY, qty: 'bigint' } as const;
const BATCH = {
  place: 'bigint',
  reference: 'text',
  sku: 'text',
  quantity: 'bigint',
  eta: 'text',
  allocated_quantity: 'bigint',
} as const;
