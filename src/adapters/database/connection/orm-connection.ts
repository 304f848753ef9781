import { setTimeout as sleep } from 'node:timers/promises';
import { MikroORM } from '@mikro-orm/core';
import { capitalise, DatabaseUnavailableError } from '../errors.ts';
import type { DatabaseLimits } from './database-limits.ts';
import { describeUrl, dialectOf } from './database-url.ts';
import { databaseOptions } from './mikro-orm-options.ts';
import { whyUnavailable } from './unavailable-database.ts';

/** MikroORM with its connections to one database. They can be opened again after a failure. */
export class OrmConnection {
  readonly #url: string;
  readonly #limits: DatabaseLimits;
  /** Absent: the connections have the name of the process. */
  readonly #name: string | undefined;
  readonly #fatalError = Promise.withResolvers<Error>();
  /** Null: the database is not connected. */
  #orm: MikroORM | null = null;
  #giveUpAll: (why: string) => void = () => {};

  constructor(url: string, limits: DatabaseLimits, name: string | undefined) {
    this.#url = url;
    this.#limits = limits;
    this.#name = name;
  }

  get isOpen(): boolean {
    return this.#orm !== null;
  }

  /** @throws {DatabaseUnavailableError} the database is not connected */
  get orm(): MikroORM {
    if (this.#orm) return this.#orm;
    throw new DatabaseUnavailableError(`${capitalise(describeUrl(this.#url))} is not connected`);
  }

  /** Resolves when SQLite's thread has died. Only a restart of the process helps then. */
  get fatalError(): Promise<Error> {
    return this.#fatalError.promise;
  }

  /**
   * Connects to the database.
   * @param mustExist whether a missing database is not created
   * @param setUp called once the database is connected. If it fails, the connection closes.
   * @throws {NoDatabaseError} the database is missing and must exist
   * @throws {DatabaseUnavailableError} the database cannot be reached, opened or written
   */
  async open(mustExist: boolean, setUp: () => Promise<void>): Promise<void> {
    // After a failed creation, MikroORM believes that the database exists. So start with a new ORM.
    const orm = await this.#newOrm(!mustExist);
    this.#orm = orm;
    try {
      await orm.connect();
      await setUp();
    } catch (error) {
      this.#orm = null;
      await orm.close(true).catch(() => {});
      throw whyUnavailable(error, this.#url, mustExist);
    }
  }

  #newOrm(ensureDatabase: boolean): Promise<MikroORM> {
    const onThreadDeath = (error: Error) =>
      this.#fatalError.resolve(
        new Error(`The database's thread has died (${error.message}): start the service again`, {
          cause: error,
        }),
      );
    const onPool = (giveUpAll: (why: string) => void) => {
      this.#giveUpAll = giveUpAll;
    };
    const owner = { onThreadDeath, onPool, ...(this.#name !== undefined && { name: this.#name }) };
    return MikroORM.init({
      ...databaseOptions(this.#url, this.#limits, owner),
      ensureDatabase,
    });
  }

  /** Destroys the connections of PostgreSQL's pool. The next statement opens a new one. */
  giveUpAll(why: string): void {
    this.#giveUpAll(why);
  }

  async close(): Promise<void> {
    const closed = this.#orm?.close(true);
    if (dialectOf(this.#url) === 'sqlite') return closed;
    // MikroORM's migrator keeps a connection whose rollback fails. The pool would wait for ever.
    const over = new AbortController();
    const { timeoutMs } = this.#limits;
    const late = sleep(2 * timeoutMs, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([closed, late]).finally(() => over.abort());
  }
}
