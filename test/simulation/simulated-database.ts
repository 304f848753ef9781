import SqliteDatabase from 'better-sqlite3';
import { SqlUnitOfWork } from '../../src/adapters/database/aggregates/sql-unit-of-work.ts';
import type { Database, Session, Sql } from '../../src/adapters/database/database.ts';
import { translate } from '../../src/adapters/database/errors.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { Decisions } from './decisions.ts';
import { OpenTransactions } from './open-transactions.ts';
import { type Connection, short } from './postgres-connection.ts';
import type { Machine, World } from './world.ts';

const BUSY_TIMEOUT_MS = 500;
const BUSY_RETRY_MS = 20;

interface Transaction {
  readonly machine: Machine;
}

type Prepare = (statement: string) => SqliteDatabase.Statement;

/** What is wrong on a machine's way to its database. Only planted bugs use this. */
export interface Flaws {
  /** Changes the statements that a transaction sends. */
  readonly sql?: (sql: Sql) => Sql;
  /** Changes a connection to PostgreSQL. */
  readonly connection?: (connection: Connection) => void;
  /** Whether nobody watches for answers that do not come. */
  readonly isUnwatched?: boolean;
}

/** A database server at a distance. */
export interface SimulatedServer {
  /** Returns as much of a machine's database as lanes use. */
  connect(machine: Machine, flaws?: Flaws): Database;
  /** Breaks the connections of a machine, which may be dead. */
  disconnect(machine: Machine): void;
  /** Hears that the machine stands still. */
  stalls(machine: Machine): void;
  readonly canGoSilent: boolean;
  /** Null where transactions come one after the other, and each event has its true time. */
  readonly decisions: Decisions | null;
  /** Silences all connections of the machine. New ones work. */
  silence(machine: Machine): void;
  close(): void;
}

/**
 * The database file of all histories of a process, one after the other. A new file with newly
 * prepared statements would take longer than a history.
 */
export class DatabaseFile {
  /** Sees what is committed. */
  readonly reader: Prepare;
  readonly writer: Prepare;
  readonly #emptied: readonly SqliteDatabase.Statement[];
  readonly #path: string;
  #transactions: OpenTransactions | null = null;

  /** @param file the path of a migrated database */
  constructor(file: string) {
    this.#path = file;
    const writer = new SqliteDatabase(file);
    writer.pragma('synchronous = off');
    this.writer = preparedOnce(writer);
    this.reader = preparedOnce(new SqliteDatabase(file, { readonly: true }));
    const tables = writer
      .prepare<[], string>(
        `select name from sqlite_schema where type = 'table' and name <> 'mikro_orm_migrations'`,
      )
      .pluck();
    this.#emptied = tables.all().map((table) => writer.prepare(`delete from ${table}`));
  }

  /** Opens several transactions at once on the file. */
  get transactions(): OpenTransactions {
    this.#transactions ??= new OpenTransactions(this.#path);
    return this.#transactions;
  }

  empty(): void {
    this.writer('begin immediate').run();
    this.writer('pragma defer_foreign_keys = on').run();
    for (const statement of this.#emptied) statement.run();
    this.writer('commit').run();
  }
}

function preparedOnce(database: SqliteDatabase.Database): Prepare {
  const prepared = new Map<string, SqliteDatabase.Statement>();
  return (text) => {
    const statement = prepared.get(text) ?? database.prepare(text);
    prepared.set(text, statement);
    return statement;
  };
}

/**
 * The database server: real SQLite and the service's own statements, one writer at a time. Requests
 * and answers travel through the simulated world. A machine that dies takes its transaction along.
 */
export class SimulatedDatabase implements SimulatedServer {
  readonly canGoSilent = false;
  readonly decisions = null;
  readonly #file: DatabaseFile;
  readonly #world: World;
  #open: Transaction | null = null;

  /** @param file the database, which this empties */
  constructor(world: World, file: DatabaseFile) {
    this.#world = world;
    this.#file = file;
    file.empty();
  }

  close(): void {
    if (this.#open) this.#end('rollback');
  }

  /** Rolls the machine's open transaction back. */
  disconnect(machine: Machine): void {
    if (this.#open?.machine === machine) this.#end('rollback');
  }

  /** Disconnects the machine: the server gives up on a client that is silent for long. */
  stalls(machine: Machine): void {
    this.disconnect(machine);
  }

  silence(): void {}

  connect(machine: Machine, { sql: changed = (sql) => sql }: Flaws = {}): Database {
    const query = (statement: string, parameters: readonly unknown[] = []) =>
      this.#world
        .request(machine, short(statement), () => this.#file.reader(statement).all(parameters))
        .catch(rethrow);
    const transaction = (work: (sql: Sql) => Promise<unknown>) =>
      this.#transaction(machine, (sql) => work(changed(sql)));
    const getSession = async (
      work: (session: Session) => Promise<unknown>,
      onError: (error: unknown) => void = () => {},
    ) => {
      const { result, session } = (await transaction(async (sql) => {
        const session = new SqlUnitOfWork(null as never, sql, 'sqlite');
        const result = await work(session);
        await session.flush();
        return { result, session };
      })) as { result: unknown; session: Session };
      await session.runAfterCommit(onError);
      return result;
    };
    return {
      dialect: 'sqlite',
      query,
      read: query,
      transaction,
      getSession,
    } as unknown as Database;
  }

  async #transaction(machine: Machine, work: (sql: Sql) => Promise<unknown>): Promise<unknown> {
    const transaction = await this.#begin(machine);
    let failure: unknown = null;
    let previous: Promise<unknown> = Promise.resolve();
    const send = (statement: string, effect: () => unknown) => {
      const result = previous.then(() => {
        if (failure) throw failure;
        return this.#world.request(machine, short(statement), () => {
          if (this.#open !== transaction) throw new TroubleError('The connection was lost');
          return effect();
        });
      });
      previous = result.catch((error: unknown) => {
        failure ??= error;
      });
      return result.catch(rethrow);
    };
    const sql = Object.assign(
      (statement: string, parameters: readonly unknown[] = []) =>
        send(statement, () => all(this.#file.writer(statement), parameters)),
      {
        run: (statement: string, parameters: readonly unknown[] = []) =>
          send(statement, () => this.#file.writer(statement).run(parameters).changes),
      },
    ) as Sql;
    try {
      const result = await work(sql);
      await send('commit', () => this.#end('commit'));
      return result;
    } catch (error) {
      // The client gives up the connection, and the server notices.
      if (!machine.isDead)
        this.#world.after(1, () => this.#open === transaction && this.#end('rollback'));
      throw error;
    }
  }

  async #begin(machine: Machine): Promise<Transaction> {
    const giveUpAtMs = this.#world.nowMs + BUSY_TIMEOUT_MS;
    const transaction = { machine };
    for (;;) {
      const isOurs = await this.#world
        .request(machine, 'begin', () => {
          if (this.#open || machine.isDead) return false;
          this.#open = transaction;
          this.#file.writer('begin immediate').run();
          return true;
        })
        .catch((error: unknown) => {
          this.#world.after(1, () => this.#open === transaction && this.#end('rollback'));
          throw error;
        });
      if (isOurs) return transaction;
      if (this.#world.nowMs > giveUpAtMs) throw new TroubleError('The database is locked');
      await new Promise<void>((resolve) =>
        this.#world.after(BUSY_RETRY_MS, () => machine.hears(resolve)),
      );
    }
  }

  #end(how: 'commit' | 'rollback'): void {
    this.#open = null;
    this.#file.writer(how).run();
  }
}

/** Runs a statement. better-sqlite3 has one method for those with rows, one for the others. */
function all(statement: SqliteDatabase.Statement, parameters: readonly unknown[]): unknown[] {
  if (statement.reader) return statement.all(parameters);
  statement.run(parameters);
  return [];
}

function rethrow(error: unknown): never {
  throw translate(error);
}
