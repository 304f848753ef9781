import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { Command } from '../../../domain/commands.ts';
import type { Identity } from '../../../domain/identity.ts';
import type { LaneTransaction } from '../../../service-layer/lane-store.ts';
import type {
  IdentifiedCommand,
  ParkedChanges,
  ParkedSnapshot,
} from '../../../service-layer/parked-command.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import type { Dialect } from '../connection/database-url.ts';
import { readParked, writeParked } from '../lanes/parked-commands.ts';
import { claim } from '../lanes/processed-commands.ts';
import type { Sql } from '../transaction.ts';
import { SqlBatchRepository } from './batch-repository.ts';
import { SqlOrderLineRepository } from './order-line-repository.ts';
import { SqlProductRepository } from './product-repository.ts';
import { StockReader } from './stock-reader.ts';
import { writeChanges } from './write-changes.ts';

/** Receives the errors of work after a commit. They undo nothing. */
export type OnError = (error: unknown) => void;

/*
 * Guarantee: all changes of the aggregates are written with the transaction, or none. Work for
 * after the commit runs only if the transaction has committed.
 *
 * 1. The repositories load aggregates, and the handlers change them in memory.
 * 2. `flush` writes the changes (`write-changes.ts`).
 * 3. The database commits.
 * 4. `runAfterCommit` runs the work for after the commit.
 *
 * A crash before 3 leaves nothing. A crash between 3 and 4 loses the work for after the commit, so
 * only work that may be lost belongs there.
 */
export class SqlUnitOfWork implements LaneTransaction {
  /**
   * Runs statements in this transaction. The loaded aggregates do not see what the statements
   * change, so the caller must not change loaded rows with them.
   */
  readonly sql: Sql;
  readonly products: SqlProductRepository;
  readonly batches: SqlBatchRepository;
  readonly orderLines: SqlOrderLineRepository;
  readonly #dialect: Dialect;
  readonly #afterCommit: (() => void | Promise<void>)[] = [];
  #parked: Promise<ParkedSnapshot> | null = null;
  #flushed: Promise<void> | null = null;

  constructor(entityManager: SqlEntityManager, sql: Sql, dialect: Dialect) {
    const reader = new StockReader(entityManager, sql, dialect);
    this.sql = sql;
    this.#dialect = dialect;
    this.batches = new SqlBatchRepository(reader);
    this.products = new SqlProductRepository(reader, this.batches);
    this.orderLines = new SqlOrderLineRepository(sql);
  }

  async prepare(commands: readonly Command[]): Promise<void> {
    // A transaction of PostgreSQL takes the lock on parked commands before it locks a product.
    // SQLite has one writer, and a wait between two statements would only delay the others.
    if (this.#dialect === 'postgresql') await this.#parked;
    await this.products.prepare(commands);
  }

  afterCommit(work: () => void | Promise<void>): void {
    this.#afterCommit.push(work);
  }

  claim(commands: readonly Identity[]): Promise<ReadonlySet<Identity>> {
    return claim(this.sql, this.#dialect, commands);
  }

  readParked(commands: readonly IdentifiedCommand[], willPark: boolean): Promise<ParkedSnapshot> {
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
    return this.products.writers();
  }

  /**
   * Runs the work for after the commit. A failure undoes nothing, and the rest of the work still
   * runs.
   * @param onError called with each error
   */
  async runAfterCommit(onError: OnError): Promise<void> {
    for (const work of this.#afterCommit.splice(0)) {
      try {
        await work();
      } catch (error) {
        onError(error);
      }
    }
  }

  #writeChanges(by: PartitionOffset | null): Promise<void> {
    this.products.addNewBatches();
    return writeChanges(this.sql, this.#dialect, by, {
      products: this.products.changes(),
      batches: this.batches.changes(),
      orderLines: this.orderLines.changes(),
    });
  }
}
