import SqliteDatabase from 'better-sqlite3';
import { KEY, translate } from './postgres-dialect.ts';
import type { RowLocks } from './row-locks.ts';

/** An open transaction: what it has written, in order, and nobody else sees yet. */
export interface OpenTransaction {
  readonly beganMs: number;
  readonly written: Write[];
  /**
   * The rows that the current statement found at first. A row that it waits for may change
   * meanwhile, but no other rows come to it.
   */
  seen: ReadonlySet<string> | null;
}

type Values = readonly unknown[];

interface Write {
  readonly table: Table;
  readonly kind: 'insert' | 'update' | 'delete';
  /** Null for a new row. */
  readonly key: Values | null;
  /** Null for a deleted row. */
  readonly row: Values | null;
}

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly primaryKey: readonly number[];
  /** The keys by which rows are locked: the unique keys of the business, as column indexes. */
  readonly lockedBy: readonly (readonly number[])[];
  /** Whether the database numbers the rows. */
  readonly isCounted: boolean;
}

export interface Result {
  readonly rows: unknown[];
  readonly changes: number;
}

/** Tables to leave out. The schema's own triggers write `parked_subjects` with its rows. */
const NOT_OURS = /^(sqlite_|mikro_orm|log_|parked_subjects)/;

/**
 * Several open transactions over one SQLite file. Each statement sees what was committed before it
 * and what its own transaction has written (READ COMMITTED), and locks what it writes.
 *
 * SQLite has one writer, so the file holds at most one of the open transactions. When another one
 * has its turn, the file's transaction is rolled back, and its writes are repeated when its turn
 * comes. Triggers report each row before and after it is written.
 */
export class OpenTransactions {
  readonly #connection: SqliteDatabase.Database;
  /** Sees what is committed. */
  readonly #reader: SqliteDatabase.Database;
  readonly #prepared = new Map<string, SqliteDatabase.Statement>();
  readonly #preparedToRead = new Map<string, SqliteDatabase.Statement>();
  readonly #tables: readonly Table[];
  /** The highest number that each counted table has given out: a rollback gives none back. */
  readonly #counts = new Map<string, number>();
  /** The same, as far as the file knows it. */
  #storedCounts = new Map<string, number>();
  #locks: RowLocks<OpenTransaction> | null = null;
  #current: OpenTransaction | null = null;
  #timeline = '';
  #isRewriting = false;
  #writes: Write[] = [];

  constructor(file: string) {
    this.#connection = new SqliteDatabase(file);
    this.#connection.pragma('synchronous = off');
    this.#reader = new SqliteDatabase(file, { readonly: true });
    this.#tables = tablesIn(this.#connection);
    this.#connection.function('locks', { varargs: true }, (index, ...values) =>
      this.#lockRow(Number(index), values),
    );
    this.#connection.function('wrote', { varargs: true }, (index, kind, ...values) =>
      this.#note(Number(index), String(kind), values),
    );
    for (const connection of [this.#connection, this.#reader])
      connection.function('timeline', () => this.#timeline);
    for (const [index, table] of this.#tables.entries())
      this.#connection.exec(triggersOf(table, index));
  }

  /** Begins a new history on an empty file. */
  begin(locks: RowLocks<OpenTransaction>, timeline: string): void {
    this.#locks = locks;
    this.#timeline = timeline;
    this.#current = null;
    this.#counts.clear();
    this.#storedCounts.clear();
  }

  /**
   * Runs one statement in a transaction, or outside any (null).
   * @throws {BlockedError} it must wait for another transaction, and has changed nothing
   */
  run(transaction: OpenTransaction | null, statement: string, parameters: Values): Result {
    const { text, locks } = translate(statement, (table) => this.#keyOf(table));
    const prepared = this.#statement(text);
    if (!transaction && !prepared.readonly)
      throw new Error(`This statement writes outside a transaction: ${statement}`);
    if (!transaction || (prepared.readonly && transaction.written.length === 0)) {
      const rows = preparedOnce(this.#reader, this.#preparedToRead, text).all(parameters);
      return transaction ? this.#locked(transaction, locks, rows) : { rows, changes: 0 };
    }
    this.#resume(transaction);
    if (prepared.readonly) return this.#locked(transaction, locks, prepared.all(parameters));
    this.#writes = [];
    const rows = prepared.reader ? prepared.all(parameters) : [];
    const changes = prepared.reader ? rows.length : prepared.run(parameters).changes;
    transaction.written.push(...this.#writes);
    return { rows, changes };
  }

  /** Returns the rows that the transaction has written to a table so far, by column. */
  writtenTo(
    table: string,
    { written }: OpenTransaction,
  ): readonly Readonly<Record<string, unknown>>[] {
    return written.flatMap((write) => {
      const { name, columns } = write.table;
      if (name !== table || !write.row) return [];
      const { row } = write;
      return [Object.fromEntries(columns.map((column, index) => [column, row[index]]))];
    });
  }

  commit(transaction: OpenTransaction): void {
    if (transaction.written.length > 0) {
      this.#resume(transaction);
      this.#current = null;
      this.#statement('commit').run();
      this.#storedCounts = new Map(this.#counts);
    } else this.rollback(transaction);
  }

  rollback(transaction: OpenTransaction): void {
    if (this.#current === transaction) this.#leave();
  }

  close(): void {
    this.#leave();
  }

  /** Locks the rows of a `select … for update` in their order, and removes their keys. */
  #locked(transaction: OpenTransaction, table: string | null, rows: unknown[]): Result {
    if (table === null) return { rows, changes: 0 };
    const keyed = (rows as Record<string, unknown>[]).map((row) => {
      const entries = Object.entries(row);
      const isKey = ([name]: [string, unknown]) => name.startsWith(KEY);
      const key = entries.filter(isKey).map(([, value]) => value);
      return {
        key: lockOf(table, key),
        row: Object.fromEntries(entries.filter((entry) => !isKey(entry))),
      };
    });
    transaction.seen ??= new Set(keyed.map(({ key }) => key));
    const { seen } = transaction;
    const found = keyed.filter(({ key }) => seen.has(key));
    for (const { key } of found) this.#locks?.take(transaction, key);
    return { rows: found.map(({ row }) => row), changes: 0 };
  }

  /** Makes the transaction the one that the file holds. */
  #resume(transaction: OpenTransaction): void {
    if (this.#current === transaction) return;
    this.#leave();
    this.#statement('begin immediate').run();
    this.#current = transaction;
    for (const [table, count] of this.#counts)
      if (this.#storedCounts.get(table) !== count) this.#count(table, count);
    this.#isRewriting = true;
    for (const write of transaction.written) this.#rewrite(write);
    this.#isRewriting = false;
  }

  #leave(): void {
    if (!this.#current) return;
    this.#current = null;
    this.#statement('rollback').run();
  }

  #count(table: string, count: number): void {
    this.#statement('delete from sqlite_sequence where name = ?').run(table);
    this.#statement('insert into sqlite_sequence (name, seq) values (?, ?)').run(table, count);
  }

  #rewrite({ table, kind, key, row }: Write): void {
    const { name, columns, primaryKey } = table;
    const isIt = primaryKey.map((column) => `${columns[column]} = ?`).join(' and ');
    const marks = columns.map(() => '?').join(', ');
    const set = columns.map((column) => `${column} = ?`).join(', ');
    if (kind === 'insert')
      this.#statement(`insert into ${name} (${columns.join(', ')}) values (${marks})`).run(
        row ?? [],
      );
    if (kind === 'update')
      this.#statement(`update ${name} set ${set} where ${isIt}`).run([
        ...(row ?? []),
        ...(key ?? []),
      ]);
    if (kind === 'delete') this.#statement(`delete from ${name} where ${isIt}`).run(key ?? []);
  }

  /** Locks a row that is about to be written, by its keys before and after. */
  #lockRow(index: number, values: Values): null {
    if (this.#isRewriting || !this.#current) return null;
    const { name, lockedBy, columns } = this.#tables[index] as Table;
    for (let from = 0; from < values.length; from += columns.length) {
      for (const key of lockedBy)
        this.#locks?.take(
          this.#current,
          lockOf(
            name,
            key.map((column) => values[from + column]),
          ),
        );
    }
    return null;
  }

  /**
   * Notes that a row has been written.
   * @param values the columns before, unless the row is new, and after, unless it is deleted
   */
  #note(index: number, kind: string, values: Values): null {
    if (this.#isRewriting || !this.#current) return null;
    const table = this.#tables[index] as Table;
    const count = table.columns.length;
    const before = kind === 'insert' ? null : values.slice(0, count);
    const row = kind === 'delete' ? null : values.slice(-count);
    // The statement only wanted the lock.
    if (before && row?.every((value, column) => value === before[column])) return null;
    const key = before && table.primaryKey.map((column) => before[column]);
    this.#writes.push({ table, kind: kind as Write['kind'], key, row });
    if (table.isCounted && row)
      this.#counts.set(table.name, Math.max(this.#counts.get(table.name) ?? 0, Number(row[0])));
    return null;
  }

  #keyOf(table: string): readonly string[] {
    const { columns, lockedBy } = this.#tables.find(({ name }) => name === table) as Table;
    return (lockedBy[0] ?? []).map((column) => columns[column] as string);
  }

  #statement(text: string): SqliteDatabase.Statement {
    return preparedOnce(this.#connection, this.#prepared, text);
  }
}

function preparedOnce(
  connection: SqliteDatabase.Database,
  prepared: Map<string, SqliteDatabase.Statement>,
  text: string,
) {
  const statement = prepared.get(text) ?? connection.prepare(text);
  prepared.set(text, statement);
  return statement;
}

function lockOf(table: string, key: Values): string {
  return `${table} ${key.join(' ')}`;
}

function tablesIn(connection: SqliteDatabase.Database): readonly Table[] {
  const names = connection
    .prepare<[], string>(`select name from sqlite_schema where type = 'table'`)
    .pluck()
    .all();
  return names.filter((name) => !NOT_OURS.test(name)).map((name) => tableOf(connection, name));
}

function tableOf(connection: SqliteDatabase.Database, name: string): Table {
  const info = connection.pragma(`table_info(${name})`) as {
    readonly name: string;
    readonly type: string;
    readonly pk: number;
  }[];
  const columns = info.map((column) => column.name);
  const primaryKey = info.flatMap(({ pk }, place) => (pk > 0 ? [place] : []));
  const isCounted = info[0]?.pk === 1 && info[0].type.toLowerCase() === 'integer';
  const indexes = connection.pragma(`index_list(${name})`) as {
    readonly name: string;
    readonly unique: number;
    readonly origin: string;
  }[];
  const unique = indexes
    .filter(({ unique, origin }) => unique === 1 && origin !== 'pk')
    .map((index) =>
      (connection.pragma(`index_info(${index.name})`) as { readonly cid: number }[]).map(
        ({ cid }) => cid,
      ),
    );
  return {
    name,
    columns,
    primaryKey,
    lockedBy: isCounted ? unique : [primaryKey, ...unique],
    isCounted,
  };
}

function triggersOf({ name, columns }: Table, index: number): string {
  const all = (which: 'old' | 'new') => columns.map((column) => `${which}.${column}`).join(', ');
  const rows = { insert: all('new'), update: `${all('old')}, ${all('new')}`, delete: all('old') };
  return Object.entries(rows)
    .map(
      ([kind, values]) => `
        create temp trigger ${name}_${kind}_locks before ${kind} on ${name}
          begin select locks(${index}, ${values}); end;
        create temp trigger ${name}_${kind}_wrote after ${kind} on ${name}
          begin select wrote(${index}, '${kind}', ${values}); end;`,
    )
    .join('\n');
}
