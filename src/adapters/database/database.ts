import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { MikroORM } from '@mikro-orm/core';
import type { AbstractSqlConnection } from '@mikro-orm/sqlite';
import { Turns } from '../../turns.ts';
import { type OnError, SqlUnitOfWork } from './aggregates/sql-unit-of-work.ts';
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
import { OrmConnection } from './connection/orm-connection.ts';
import { setUpExistingSqlite, setUpSqlite } from './connection/sqlite-setup.ts';
import {
  capitalise,
  DatabaseUnavailableError,
  NoDatabaseError,
  translateErrors,
} from './errors.ts';
import { compareMigrations, type MigrationState, migrate } from './migrate.ts';
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

/** How many connections long work needs: one for the work, and one for its heartbeat. */
const LONG_WORK_CONNECTIONS = 2;

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
  readonly #key: string;
  readonly #url: string;
  readonly #description: string;
  readonly #limits: DatabaseLimits;
  readonly #connection: OrmConnection;
  /**
   * The users of a connection, in order. The pool's own queue would reject a request that waits for
   * longer than a connection may take to open. Its lane would then stop. This queue rejects none.
   * Every wait ends: PostgreSQL ends a slow statement and a session that sleeps inside a
   * transaction, and the client destroys a silent connection.
   */
  readonly #turns: Turns;

  private constructor(key: string, url: string, limits: DatabaseLimits, name?: string) {
    this.#key = key;
    this.#url = url;
    this.#description = describeUrl(url);
    this.dialect = dialectOf(url);
    this.#limits = limits;
    this.#connection = new OrmConnection(url, limits, name);
    const isFile = this.dialect === 'sqlite';
    // SQLite's thread has its own queue.
    this.#turns = new Turns(isFile ? Number.POSITIVE_INFINITY : limits.poolSize);
  }

  /**
   * Returns MikroORM itself, for the command line and tests. The service uses the methods below.
   * @throws {DatabaseUnavailableError} the database is not connected
   */
  get orm(): MikroORM {
    return this.#connection.orm;
  }

  /** Resolves when SQLite's thread has died. Only a restart of the process helps then. */
  get fatalError(): Promise<Error> {
    return this.#connection.fatalError;
  }

  /**
   * Returns the process's one instance for this url. Opens it if it is not open, and creates a
   * database that is missing.
   * @param limits for PostgreSQL; the first call for a url decides
   * @throws {InvalidDatabaseUrlError}
   * @throws {DatabaseUnavailableError} the database cannot be reached, opened or written
   */
  static open(url: string, limits: DatabaseLimits = DEFAULT_LIMITS): Promise<Database> {
    return Database.#share(url, limits, (database) => database.connect());
  }

  /**
   * Returns the process's one instance for this url, without connecting it. Call `connect` next.
   * @param limits for PostgreSQL; the first call for a url decides
   * @throws {InvalidDatabaseUrlError}
   */
  static createUnconnected(
    url: string,
    limits: DatabaseLimits = DEFAULT_LIMITS,
  ): Promise<Database> {
    return Database.#share(url, limits, async () => {});
  }

  /**
   * Does what `open` does, but creates nothing, and writes nothing to a SQLite file.
   * @throws {InvalidDatabaseUrlError}
   * @throws {NoDatabaseError} there is no database at the url
   * @throws {DatabaseUnavailableError} the database cannot be reached or opened
   */
  static openExisting(url: string, limits: DatabaseLimits = DEFAULT_LIMITS): Promise<Database> {
    return Database.#share(url, limits, (database) => database.#connect(true));
  }

  static async #share(
    url: string,
    limits: DatabaseLimits,
    begin: (database: Database) => Promise<void>,
  ): Promise<Database> {
    const key = dialectOf(url) === 'sqlite' ? sqliteFile(url) : url;
    return open.get(key) ?? Database.#add(new Database(key, url, limits), begin);
  }

  static async #add(
    database: Database,
    begin: (database: Database) => Promise<void>,
  ): Promise<Database> {
    const beginning = begin(database).then(() => database);
    open.set(database.#key, beginning);
    try {
      return await beginning;
    } catch (error) {
      open.delete(database.#key);
      throw error;
    }
  }

  /**
   * Opens the same database of PostgreSQL once more, with two connections that nothing else uses:
   * enough for one long work. The work takes no connection from the lanes. If its heartbeat fails,
   * the connections of the lanes stay open. The caller closes the database.
   * @throws {DatabaseUnavailableError} PostgreSQL cannot be reached, or refuses more connections
   */
  openApart(): Promise<Database> {
    // The name tells a rebuild that this is no other service (`isUsedByOthers`).
    const name = `reader of allocation ${randomUUID().slice(0, 8)}`;
    const limits = { ...this.#limits, poolSize: LONG_WORK_CONNECTIONS };
    const database = new Database(`${this.#key} (${name})`, this.#url, limits, name);
    return Database.#add(database, (apart) => apart.#connect(true));
  }

  /**
   * Connects to the database, and creates a missing one. Does nothing if the database is connected.
   * Callers may try again after a failure.
   * @throws {InvalidDatabaseUrlError}
   * @throws {DatabaseUnavailableError} the database cannot be reached, opened or written
   */
  async connect(): Promise<void> {
    if (!this.#connection.isOpen) await this.#connect(false);
  }

  async #connect(mustExist: boolean): Promise<void> {
    const { dialect } = this;
    if (mustExist && dialect === 'sqlite' && !existsSync(this.#key))
      throw new NoDatabaseError(urlToShow(this.#url));
    await this.#connection.open(mustExist, async () => {
      if (dialect === 'sqlite') await (mustExist ? setUpExistingSqlite : setUpSqlite)(this);
      else await this.query('select 1');
      if (!open.has(this.#key))
        throw new DatabaseUnavailableError(`${capitalise(this.#description)} is closed`);
    });
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

  /** Compares the migrations of the database with those of this version. Changes nothing. */
  async migrationState(): Promise<MigrationState> {
    return compareMigrations((statement) => this.read(statement));
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
   * Runs a statement that only reads. On PostgreSQL the statement has a transaction of its own, so
   * that the server ends it in time. Statements outside of transactions have no time-out there.
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

  async #run<T>(
    work: (transaction: Transaction) => Promise<T>,
    { isReadOnly = false } = {},
  ): Promise<T> {
    const { dialect } = this;
    const options = { em: this.orm.em, dialect, timeoutMs: this.#limits.timeoutMs, isReadOnly };
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
    this.#connection.giveUpAll(why);
    void endLostSessions(
      (statement) => this.query(statement),
      () => open.has(this.#key),
    );
  }

  /** Closes all connections. A second call does nothing. */
  async close(): Promise<void> {
    if (!open.delete(this.#key)) return;
    await this.#connection.close();
  }
}
