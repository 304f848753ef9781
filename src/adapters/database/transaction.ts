import { DriverException, type EntityManager } from '@mikro-orm/core';
import type { AbstractSqlConnection, SqlEntityManager } from '@mikro-orm/sqlite';
import { CompiledQuery, type QueryResult } from 'kysely';
import {
  POSTGRES_IDLE_TIMEOUT_MS,
  POSTGRES_LOCK_TIMEOUT_MS,
} from './connection/database-limits.ts';
import type { Dialect } from './connection/database-url.ts';
import { statementTimeoutMs } from './connection/long-work.ts';
import { BEGIN } from './connection/sqlite-messages.ts';
import { translate, translateErrors } from './errors.ts';

/*
 * Guarantee: a transaction commits when its work resolves, and rolls back when its work rejects.
 * Its connection returns to the pool in both cases.
 *
 * 1. Begin. On SQLite `begin immediate` takes the write lock at once. On PostgreSQL `begin` runs at
 *    read committed, where rows are locked one by one. On both, a statement that waits for a lock
 *    gives up in time. PostgreSQL also ends a slow statement, and a session that sleeps inside its
 *    transaction. A transaction that only reads takes no lock, and sees one moment.
 * 2. Run the work.
 * 3. Commit, or roll back. A failed rollback is ignored, because then the connection or the
 *    transaction is already gone.
 *
 * A crash before 3 leaves nothing behind. A commit whose answer is lost may have happened; the
 * caller gets a `TroubleError`. MikroORM's own `transactional` does not fit: after a failed begin
 * or rollback, it never returns the connection.
 */

export type Parameters = readonly (string | number | null | Buffer)[];

/**
 * Runs one statement inside the transaction, with a `?` for each parameter. A caller may send
 * several statements without waiting. They run in the order of the calls, and none runs after a
 * statement that has failed.
 */
export interface Sql {
  <Row = unknown>(statement: string, parameters?: Parameters): Promise<Row[]>;
  /** Runs a statement. @returns how many rows it inserted, updated or deleted */
  run(statement: string, parameters?: Parameters): Promise<number>;
}

export interface Transaction {
  /** A new entity manager that is bound to the transaction. */
  readonly em: SqlEntityManager;
  readonly sql: Sql;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Runs `work` in one transaction.
 * @param timeoutMs how long PostgreSQL works on one statement
 * @param isReadOnly whether the work only reads
 * @returns what `work` returns
 * @throws {TroubleError} the database did not answer the commit, or cannot execute a statement now
 */
export async function runTransaction<T>(
  {
    em,
    dialect,
    timeoutMs,
    isReadOnly = false,
  }: {
    readonly em: EntityManager;
    readonly dialect: Dialect;
    readonly timeoutMs: number;
    readonly isReadOnly?: boolean;
  },
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const connection = em.getConnection() as AbstractSqlConnection;
  const outcome = await translateErrors(async () => {
    await connection.ensureConnection();
    const pinned = connection.getClient().connection();
    return pinned.execute(async (context) => {
      const fork = em.fork() as SqlEntityManager;
      fork.setTransactionContext(context);
      // Kysely waits for the answer before it sends the next statement. Its connection accepts
      // several at once.
      const direct = await context
        .getExecutor()
        .provideConnection(async (connection) => connection);
      const begin = beginStatement(dialect, timeoutMs, isReadOnly);
      return attempt(statements(direct, dialect, begin), fork, work);
    });
  });
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

async function attempt<T>(
  { begin, sql, failure, end }: Statements,
  em: SqlEntityManager,
  work: (transaction: Transaction) => Promise<T>,
): Promise<Outcome<T>> {
  try {
    // The work's first statements follow the begin without waiting for its answer.
    const [, value] = await Promise.all([begin(), work({ em, sql })]);
    // PostgreSQL answers the commit of a failed transaction with a silent rollback.
    if (failure()) throw failure();
    await end('commit');
    return { value };
  } catch (error) {
    await end('rollback').catch(() => {});
    return { error: error instanceof DriverException ? translate(error) : error };
  }
}

function beginStatement(dialect: Dialect, timeoutMs: number, isReadOnly: boolean): string {
  if (dialect === 'postgresql')
    return beginOnPostgres(timeoutMs, isReadOnly ? 'repeatable read read only' : 'read committed');
  return BEGIN;
}

/**
 * Returns several statements that travel together, which the driver allows without parameters. The
 * settings end with the transaction, because a pooler may then give the connection to another
 * client. The isolation is explicit, because a database or a user may have another default.
 */
function beginOnPostgres(timeoutMs: number, mode: string): string {
  return `begin isolation level ${mode};
    set local lock_timeout = ${POSTGRES_LOCK_TIMEOUT_MS};
    set local statement_timeout = ${statementTimeoutMs(timeoutMs)};
    set local idle_in_transaction_session_timeout = ${POSTGRES_IDLE_TIMEOUT_MS}`;
}

interface Statements {
  begin(): Promise<unknown>;
  readonly sql: Sql;
  /** The first error of a statement, even if the work caught it. */
  readonly failure: () => unknown;
  /**
   * Commits or rolls back, and refuses all later statements. Parts of the work that run at once may
   * still send statements after one of them has failed.
   */
  end(how: 'commit' | 'rollback'): Promise<unknown>;
}

function statements(client: Client, dialect: Dialect, beginText: string): Statements {
  let failure: unknown;
  let hasEnded = false;
  let previous: Promise<unknown> = Promise.resolve();
  const inOrder = <Row>(statement: string, parameters: Parameters, refusal: () => unknown) => {
    const run = () =>
      refusal()
        ? Promise.reject(refusal())
        : executeBound<Row>(client, dialect, statement, parameters);
    // SQLite's thread has its own queue. A future version of PostgreSQL's client has no queue.
    const result = dialect === 'sqlite' ? run() : previous.then(run);
    previous = result.catch(() => {});
    return result;
  };
  const execute = async <Row>(statement: string, parameters: Parameters) => {
    if (hasEnded)
      throw new Error('The transaction has ended: send statements only while its work runs');
    try {
      return await inOrder<Row>(statement, parameters, () => failure);
    } catch (error) {
      failure ??= error;
      throw error;
    }
  };
  const end = (how: string) => {
    hasEnded = true;
    return inOrder(how, [], () => null);
  };
  const begin = () => execute(beginText, []);
  const all = async <Row>(statement: string, parameters: Parameters = []) =>
    (await execute<Row>(statement, parameters)).rows;
  const run = async (statement: string, parameters: Parameters = []) =>
    Number((await execute(statement, parameters)).numAffectedRows ?? 0);
  return { begin, sql: Object.assign(all, { run }), failure: () => failure, end };
}

interface Client {
  executeQuery<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>>;
}

/**
 * Executes a statement with bound parameters, so that its text stays the same. MikroORM's own
 * `execute` writes the values into the text.
 */
export async function executeBound<Row>(
  client: Client,
  dialect: Dialect,
  statement: string,
  parameters: Parameters,
): Promise<QueryResult<Row>> {
  const text = dialect === 'sqlite' ? statement : numberPlaceholders(statement);
  return translateErrors(() =>
    client.executeQuery(CompiledQuery.raw(text, [...parameters]) as CompiledQuery<Row>),
  );
}

/** Numbers the placeholders for PostgreSQL. No statement of this service has any other `?`. */
function numberPlaceholders(statement: string): string {
  let count = 0;
  return statement.replaceAll('?', () => {
    count += 1;
    return `$${count}`;
  });
}
