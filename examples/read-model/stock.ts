import SqliteDatabase from 'better-sqlite3';
import type { AllocationEvent } from '../../clients/typescript/src/index.ts';

const TABLES = `
  create table if not exists reader (position text not null);
  insert into reader select '0/0' where not exists (select 1 from reader);
  create table if not exists seen (id text primary key) without rowid;
  create table if not exists batches (
    reference text primary key, sku text not null,
    quantity integer not null default 0, allocated integer not null default 0,
    sequence integer not null default 0); -- of the event that set the quantity
  create view if not exists stock as
    select sku, sum(quantity - allocated) as available from batches group by sku;`;
const REMEMBER = 'insert into seen (id) values (?) on conflict do nothing';
const SET_QUANTITY = `
  insert into batches (reference, sku, quantity, sequence) values (?, ?, ?, ?)
  on conflict do update set quantity = excluded.quantity, sequence = excluded.sequence
  where excluded.sequence > sequence`;
const ADD_ALLOCATED = `
  insert into batches (reference, sku, allocated) values (?, ?, ?)
  on conflict do update set allocated = allocated + excluded.allocated`;

/** Keeps the stock of each product, and how far the events are read. Partitions need no order. */
export class Stock {
  readonly #database: SqliteDatabase.Database;

  constructor(file: string) {
    this.#database = new SqliteDatabase(file);
    this.#database.pragma('journal_mode = wal');
    this.#database.exec(TABLES);
  }

  /** The offset of the next record of each partition, as in `0/1200,1/7`. */
  get position(): string {
    return this.#database.prepare<[], string>('select position from reader').pluck().get() ?? '';
  }

  /** Takes the events of a message, and the position behind it, in one transaction. */
  take(position: string, events: readonly AllocationEvent[]): void {
    this.#database.transaction(() => {
      this.#run('update reader set position = ?', position);
      // kafkajs shows some records of aborted transactions. The service publishes them again.
      for (const event of events) if (this.#run(REMEMBER, event.id ?? '') > 0) this.#apply(event);
    })();
  }

  #apply({ type, data, sequence }: AllocationEvent): void {
    if (type === 'BatchCreated' || type === 'BatchQuantityChanged')
      this.#run(SET_QUANTITY, data.reference, data.sku, data.quantity, sequence);
    if (type === 'Allocated') this.#run(ADD_ALLOCATED, data.batchref, data.sku, data.qty);
    if (type === 'Deallocated') this.#run(ADD_ALLOCATED, data.batchref, data.sku, -data.qty);
    if (type !== 'AlreadyAllocated') console.log(`${type} ${JSON.stringify(data)}`);
  }

  #run(statement: string, ...values: readonly (string | number | null)[]): number {
    return this.#database.prepare(statement).run(...values).changes;
  }
}
