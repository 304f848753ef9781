import { setTimeout as sleep } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/core';
import type { AbstractSqlConnection } from '@mikro-orm/sqlite';
import { type OnError, SqlUnitOfWork } from './aggregates/sql-unit-of-work.ts';
import { beating } from './connection/heartbeat.ts';
import {
  type DatabaseLimits,
  DEFAULT_LIMITS,
  type Dialect,
  databaseOptions,
  describeUrl,
  dialectOf,
  sqliteFile,
} from './connection/options.ts';
import { PoolTurns } from './connection/pool-turns.ts';
import { asLongWork, asUsualWork } from './connection/statement-timeout.ts';
import { codeOf, DatabaseUnavailableError, messageOf, translated } from './errors.ts';
import { migrate } from './migrate.ts';
import {
  executeBound,
  type Parameters,
  runTransaction,
  type Sql,
  type Transaction,
} from './transaction.ts';

export type { Parameters, Sql } from './transaction.ts';

/** What a session gives to its work. */
export type Session = SqlUnitOfWork;

/** How long to wait for another process that is just setting the same file up. */
const SETUP_DEADLINE_MS = 10_000;
const SETUP_RETRY_MS = 50;
/** 32 MB: a large transaction alone writes more than SQLite's default of 1,000, and would pay for a checkpoint each time. */
const CHECKPOINT_PAGES = 8_000;

/** Sessions of this process that have sent nothing for as long as a beat takes. */
const END_LOST_SESSIONS = `select pg_terminate_backend(pid) from pg_stat_activity
  where application_name = current_setting('application_name') and datname = current_database()
    and pid <> pg_backend_pid() and coalesce(query_start, backend_start) < now() - interval '5 s'`;
const LOST_SESSIONS_DEADLINE_MS = 120_000;
const LOST_SESSIONS_RETRY_MS = 1_000;

const open = new Map<string, Promise<Database>>();

/**
 * One database, shared by everything in the process. Statements that run into trouble throw `TroubleError`, whose `cause` is the driver's error;
 * a statement that is wrong in itself throws the driver's error.
 *
 * SQLite is one connection, one user at a time, and PostgreSQL's pool is as many: inside `transaction` or `getSession`, use only what they
 * hand you, or wait for ever.
 */
export class Database {
  readonly dialect: Dialect;
  /** For the command line and tests; the service goes through the methods below. */
  readonly orm: MikroORM;
  /** Resolves when no statement can work any more, until the process is started again: SQLite's thread has died. */
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
    // SQLite's thread has a queue of its own.
    this.#turns = new PoolTurns(this.dialect === 'sqlite' ? Number.POSITIVE_INFINITY : poolSize);
    this.died = died;
  }

  /**
   * The process's one instance for this url, until it is closed.
   * @param limits of PostgreSQL; the first call for the url decides
   * @throws {InvalidDatabaseUrlError}
   * @throws {DatabaseUnavailableError} it cannot be reached, opened or written
   */
  static async open(url: string, limits: DatabaseLimits = DEFAULT_LIMITS): Promise<Database> {
    const key = dialectOf(url) === 'sqlite' ? sqliteFile(url) : url;
    const known = open.get(key);
    if (known) return known;
    const opening = Database.#connect(key, url, limits);
    open.set(key, opening);
    try {
      return await opening;
    } catch (error) {
      open.delete(key);
      throw error;
    }
  }

  static async #connect(key: string, url: string, limits: DatabaseLimits): Promise<Database> {
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
    const orm = await MikroORM.init(databaseOptions(url, limits, onThreadDeath, onPool));
    const database = new Database(key, url, orm, limits, died);
    database.#giveUpAll = (why) => giveUpAll(why);
    try {
      await orm.connect();
      if (database.dialect === 'sqlite') await database.#setUpSqlite();
      else await database.query('select 1');
      return database;
    } catch (error) {
      await orm.close(true).catch(() => {});
      throw new DatabaseUnavailableError(
        `Cannot use ${database.#description}: ${messageOf(error)}. ${database.#advice(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * Applies what is missing, all or nothing; of several processes that start at once, one does it.
   * @returns the names of the migrations applied
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
      await translated(() => connection.ensureConnection());
      return (await executeBound<Row>(connection.getClient(), this.dialect, statement, parameters))
        .rows;
    });
  }

  /**
   * Commits when `work` resolves, rolls back when it rejects. Takes SQLite's write lock first. A statement that has waited for a lock for
   * some time gives up.
   */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#run(({ sql }) => work(sql));
  }

  /**
   * A unit of work by itself: what `work` changed is written when it resolves, and nothing when it rejects.
   * @param onError hears of `afterCommit` work that failed
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

  async #run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#turns.take(() =>
      runTransaction({ em: this.orm.em, dialect: this.dialect, timeoutMs: this.#timeoutMs }, work),
    );
  }

  /**
   * Runs work whose statements may rightly be slow. On PostgreSQL it fails within seconds when the
   * connections go silent, and takes one connection more than it uses itself.
   * @param work ends soon after its signal has aborted
   */
  async longWork<T>(
    work: (signal: AbortSignal) => Promise<T>,
    signal = new AbortController().signal,
  ): Promise<T> {
    const patiently = (until: AbortSignal) => asLongWork(() => work(until));
    if (this.dialect === 'sqlite') return patiently(signal);
    return asUsualWork(() => this.transaction((sql) => beating(this, sql, signal, patiently)));
  }

  /**
   * Fails whatever waits on a connection to PostgreSQL. The next statement opens a new one. The
   * server does not hear of it, and long work would keep its locks there: so it is ended there too.
   */
  giveUpConnections(why: string): void {
    this.#giveUpAll(why);
    void this.#endLostSessions();
  }

  /** Tries again while PostgreSQL cannot be reached: what silenced the connections may last. */
  async #endLostSessions(): Promise<void> {
    for (
      const giveUpAt = Date.now() + LOST_SESSIONS_DEADLINE_MS;
      Date.now() < giveUpAt && open.has(this.#key);
    ) {
      const isDone = await this.query(END_LOST_SESSIONS).then(
        () => true,
        () => false,
      );
      if (isDone) return;
      await sleep(LOST_SESSIONS_RETRY_MS, undefined, { ref: false });
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    if (!open.delete(this.#key)) return;
    const closed = this.orm.close(true);
    if (this.dialect === 'sqlite') return closed;
    // MikroORM's migrator keeps a connection whose rollback fails: the pool would wait for ever.
    const over = new AbortController();
    const late = sleep(2 * this.#timeoutMs, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([closed, late]).finally(() => over.abort());
  }

  /** Puts the file in WAL mode and makes sure it can be written, waiting for a process that is doing the same. */
  async #setUpSqlite(): Promise<void> {
    for (const giveUpAt = Date.now() + SETUP_DEADLINE_MS; ; ) {
      try {
        await this.query('pragma journal_mode = wal');
        await this.query('pragma synchronous = full');
        await this.query(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
        // A write that changes nothing: `begin immediate` by itself succeeds on a file that may only be read.
        await this.transaction((sql) => sql('pragma user_version = 0'));
        return;
      } catch (error) {
        if (!isBusy(error) || Date.now() > giveUpAt) throw error;
        await sleep(SETUP_RETRY_MS);
      }
    }
  }

  #advice(error: unknown): string {
    if (isBusy(error))
      return 'Another process keeps the file locked: try again when that one has finished';
    return this.dialect === 'sqlite'
      ? 'Check that its directory exists, that the file may be written and the disk is not full, or set DATABASE_URL to another place'
      : 'Check that the server runs and can be reached, and the user, password and database name in DATABASE_URL';
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && codeOf(error.cause).startsWith('SQLITE_BUSY');
}
