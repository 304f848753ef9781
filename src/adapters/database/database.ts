import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/core';
import type { AbstractSqlConnection } from '@mikro-orm/sqlite';
import { type OnError, SqlUnitOfWork } from './aggregates/sql-unit-of-work.ts';
import { SqlStockSnapshot } from './aggregates/stock-snapshot.ts';
import { POSTGRES_ADVICE } from './connection/connection-failures.ts';
import { type DatabaseLimits, DEFAULT_LIMITS } from './connection/database-limits.ts';
import {
  type Dialect,
  describeUrl,
  dialectOf,
  sqliteFile,
  urlToShow,
} from './connection/database-url.ts';
import { withHeartbeat } from './connection/heartbeat.ts';
import { asLongWork, asUsualWork } from './connection/long-work.ts';
import { endLostSessions } from './connection/lost-sessions.ts';
import { databaseOptions } from './connection/mikro-orm-options.ts';
import { PoolTurns } from './connection/pool-turns.ts';
import { setUpExistingSqlite, setUpSqlite } from './connection/sqlite-setup.ts';
import {
  DatabaseUnavailableError,
  isNoDatabase,
  isSqliteBusy,
  messageOf,
  NoDatabaseError,
  translateErrors,
} from './errors.ts';
import { migrate } from './migrate.ts';
import {
  executeBound,
  type Parameters,
  runTransaction,
  type Sql,
  type Transaction,
} from './transaction.ts';

export type { Parameters, Sql } from './transaction.ts';

/** The unit of work that a session passes to its work. */
export type Session = SqlUnitOfWork;

const open = new Map<string, Promise<Database>>();

/**
 * One database, which everything in the process shares.
 *
 * A statement that the database cannot execute now throws `TroubleError`, with the driver's error
 * as its `cause`. A statement that is wrong throws the driver's error itself.
 *
 * SQLite has one connection, and so one user at a time. PostgreSQL's pool has as many users as
 * connections. Work in `transaction` and `getSession` must use only the object that it gets. A call
 * of this class would wait for a connection that the work itself holds.
 */
export class Database {
  readonly dialect: Dialect;
  /** For the command line and tests. The service uses the methods below. */
  readonly orm: MikroORM;
  /** Resolves when SQLite's thread has died. Only a restart of the process helps then. */
  readonly died: Promise<Error>;
  readonly #key: string;
  readonly #description: string;
  readonly #timeoutMs: number;
  readonly #turns: PoolTurns;
  #giveUpAll: (why: string) => void = () => {};

  private constructor(
    key: string,
    url: string,
    orm: MikroORM,
    { timeoutMs, poolSize }: DatabaseLimits,
    died: Promise<Error>,
  ) {
    this.#key = key;
    this.#description = describeUrl(url);
    this.dialect = dialectOf(url);
    this.orm = orm;
    this.#timeoutMs = timeoutMs;
    // SQLite's thread has its own queue.
    this.#turns = new PoolTurns(this.dialect === 'sqlite' ? Number.POSITIVE_INFINITY : poolSize);
    this.died = died;
  }

  /**
   * Returns the process's one instance for this url. Opens it if it is not open, and creates a
   * database that is missing.
   * @param limits for PostgreSQL; the first call for a url decides
   * @throws {InvalidDatabaseUrlError}
   * @throws {DatabaseUnavailableError} the database cannot be reached, opened or written
   */
  static open(url: string, limits: DatabaseLimits = DEFAULT_LIMITS): Promise<Database> {
    return Database.#open(url, limits, false);
  }

  /**
   * Does what `open` does, but creates nothing, and writes nothing to a SQLite file.
   * @throws {InvalidDatabaseUrlError}
   * @throws {NoDatabaseError} there is no database at the url
   * @throws {DatabaseUnavailableError} the database cannot be reached or opened
   */
  static openExisting(url: string, limits: DatabaseLimits = DEFAULT_LIMITS): Promise<Database> {
    return Database.#open(url, limits, true);
  }

  static async #open(url: string, limits: DatabaseLimits, mustExist: boolean): Promise<Database> {
    const key = dialectOf(url) === 'sqlite' ? sqliteFile(url) : url;
    const known = open.get(key);
    if (known) return known;
    const opening = Database.#connect(key, url, limits, mustExist);
    open.set(key, opening);
    try {
      return await opening;
    } catch (error) {
      open.delete(key);
      throw error;
    }
  }

  static async #connect(
    key: string,
    url: string,
    limits: DatabaseLimits,
    mustExist: boolean,
  ): Promise<Database> {
    if (mustExist && dialectOf(url) === 'sqlite' && !existsSync(key))
      throw new NoDatabaseError(urlToShow(url));
    const { promise: died, resolve: onDeath } = Promise.withResolvers<Error>();
    const onThreadDeath = (error: Error) =>
      onDeath(
        new Error(`The database's thread has died (${error.message}): start the service again`, {
          cause: error,
        }),
      );
    let giveUpAll = (_why: string) => {};
    const onPool = (giveUp: typeof giveUpAll) => {
      giveUpAll = giveUp;
    };
    const orm = await MikroORM.init({
      ...databaseOptions(url, limits, onThreadDeath, onPool),
      ensureDatabase: !mustExist,
    });
    const database = new Database(key, url, orm, limits, died);
    database.#giveUpAll = (why) => giveUpAll(why);
    try {
      await orm.connect();
      if (database.dialect === 'sqlite')
        await (mustExist ? setUpExistingSqlite : setUpSqlite)(database);
      else await database.query('select 1');
      return database;
    } catch (error) {
      await orm.close(true).catch(() => {});
      if (mustExist && isNoDatabase(error))
        throw new NoDatabaseError(urlToShow(url), { cause: error });
      if (error instanceof DatabaseUnavailableError) throw error;
      const what = `Cannot use ${database.#description}: ${messageOf(error)}`;
      const advice = adviceOn(error, database.dialect);
      throw new DatabaseUnavailableError(`${what}. ${advice}`, { cause: error });
    }
  }

  /**
   * Applies the pending migrations, all or none. If several processes start at once, one of them
   * applies the migrations.
   * @returns the names of the applied migrations
   * @throws {NewerDatabaseError}
   */
  async runMigrations(): Promise<readonly string[]> {
    return migrate({
      orm: this.orm,
      dialect: this.dialect,
      description: this.#description,
      database: this,
    });
  }

  /** Runs a statement outside any transaction. */
  async query<Row = unknown>(statement: string, parameters: Parameters = []): Promise<Row[]> {
    const connection = this.orm.em.getConnection() as AbstractSqlConnection;
    return this.#turns.take(async () => {
      await translateErrors(() => connection.ensureConnection());
      return (await executeBound<Row>(connection.getClient(), this.dialect, statement, parameters))
        .rows;
    });
  }

  /**
   * Runs a statement that only reads. On PostgreSQL it has a transaction of its own, so that the
   * server ends it in time. The server would go on with a statement outside of transactions.
   */
  async read<Row = unknown>(statement: string, parameters: Parameters = []): Promise<Row[]> {
    if (this.dialect === 'sqlite') return this.query(statement, parameters);
    return this.#run(({ sql }) => sql<Row>(statement, parameters), { isReadOnly: true });
  }

  /**
   * Runs `work` in a transaction: commits when it resolves, and rolls back when it rejects. A
   * transaction of SQLite takes the write lock first. A statement that has waited too long for a
   * lock gives up.
   */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#run(({ sql }) => work(sql));
  }

  /**
   * Runs `work` with a unit of work of its own. The changes are written when `work` resolves, and
   * dropped when it rejects.
   * @param onError called with the error of `afterCommit` work that failed
   */
  async getSession<T>(
    work: (session: Session) => Promise<T>,
    onError: OnError = () => {},
  ): Promise<T> {
    const { result, session } = await this.#run(async ({ em, sql }) => {
      const session = new SqlUnitOfWork(em, sql, this.dialect);
      const result = await work(session);
      await session.flush();
      return { result, session };
    });
    await session.runAfterCommit(onError);
    return result;
  }

  /**
   * Runs `work` with repositories that read the stock as it is at one moment. They lock nothing, so
   * no lane waits for them, and they write nothing.
   * @param maxLines how many lines to load of a batch, the oldest ones
   */
  async readStock<T>(maxLines: number, work: (stock: SqlStockSnapshot) => Promise<T>): Promise<T> {
    return this.#run(({ em, sql }) => work(new SqlStockSnapshot(em, sql, this.dialect, maxLines)), {
      isReadOnly: true,
    });
  }

  async #run<T>(
    work: (transaction: Transaction) => Promise<T>,
    { isReadOnly = false } = {},
  ): Promise<T> {
    const { dialect } = this;
    const options = { em: this.orm.em, dialect, timeoutMs: this.#timeoutMs, isReadOnly };
    return this.#turns.take(() => runTransaction(options, work));
  }

  /**
   * Runs work whose statements are slow on a large database. The work fails within seconds when the
   * connections to PostgreSQL go silent. A heartbeat takes one connection more than the work.
   * @param work must end soon after its signal has aborted
   */
  async longWork<T>(
    work: (signal: AbortSignal) => Promise<T>,
    signal = new AbortController().signal,
  ): Promise<T> {
    const runPatiently = (until: AbortSignal) => asLongWork(() => work(until));
    if (this.dialect === 'sqlite') return runPatiently(signal);
    return asUsualWork(() =>
      this.transaction((sql) => withHeartbeat(this, sql, signal, runPatiently)),
    );
  }

  /**
   * Destroys the connections to PostgreSQL. Everything that waits on one of them fails, and the
   * next statement opens a new one. The server does not notice, and long work would keep its locks
   * there, so this also ends the sessions on the server.
   */
  giveUpConnections(why: string): void {
    this.#giveUpAll(why);
    void endLostSessions(
      (statement) => this.query(statement),
      () => open.has(this.#key),
    );
  }

  /** Closes all connections. A second call does nothing. */
  async close(): Promise<void> {
    if (!open.delete(this.#key)) return;
    const closed = this.orm.close(true);
    if (this.dialect === 'sqlite') return closed;
    // MikroORM's migrator keeps a connection whose rollback fails. The pool would wait for ever.
    const over = new AbortController();
    const late = sleep(2 * this.#timeoutMs, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([closed, late]).finally(() => over.abort());
  }
}

/** Tells the operator what to do about a database that cannot be opened. */
function adviceOn(error: unknown, dialect: Dialect): string {
  if (isSqliteBusy(error))
    return 'Another process keeps the file locked: try again when that process has finished';
  return dialect === 'sqlite'
    ? 'Check that its directory exists, that the file is writable and that the disk has room, ' +
        'or set DATABASE_URL to another place'
    : POSTGRES_ADVICE;
}
