import { DriverException, type EntityManager } from '@mikro-orm/core';
import type { AbstractSqlConnection, SqlEntityManager } from '@mikro-orm/sqlite';
import { CompiledQuery, type QueryResult } from 'kysely';
import {
  type Dialect,
  POSTGRES_ASLEEP_MS,
  POSTGRES_LOCK_TIMEOUT_MS,
} from './connection/options.ts';
import { BEGIN } from './connection/sqlite-thread.ts';
import { statementTimeoutMs } from './connection/statement-timeout.ts';
import { translate, translated } from './errors.ts';

/*
 * Guarantee: a transaction commits when its work resolves and rolls back when it rejects, and its connection comes back in any case.
 *
 * 1. begin: on SQLite `begin immediate`, which takes the write lock at once; on PostgreSQL `begin` (read committed: rows are locked one by one).
 *    On both, a transaction that waits for a lock gives up after some time. PostgreSQL also ends a
 *    statement that takes too long, and a session that sleeps amid its transaction;
 * 2. the work;
 * 3. commit; or rollback, whose own failure is ignored: the connection, or the transaction, is gone already.
 *
 * A crash before 3 leaves nothing behind. A commit whose answer is lost may have happened: it is reported as trouble.
 * MikroORM's own `transactional` is not used: there a begin or rollback that fails never gives the connection back.
 */

export type Parameters = readonly (string | number | null | Buffer)[];

/**
 * Runs one statement (`?` for each parameter) inside the transaction. Several may be sent without waiting: they run in the order
 * of the calls, and none after one that has failed.
 */
export interface Sql {
  <Row = unknown>(statement: string, parameters?: Parameters): Promise<Row[]>;
  /** @returns how many rows it inserted, updated or deleted */
  run(statement: string, parameters?: Parameters): Promise<number>;
}

export interface Transaction {
  /** Fresh, and bound to the transaction. */
  readonly em: SqlEntityManager;
  readonly sql: Sql;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

export async function runTransaction<T>(
  {
    em,
    dialect,
    timeoutMs,
  }: { readonly em: EntityManager; readonly dialect: Dialect; readonly timeoutMs: number },
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const connection = em.getConnection() as AbstractSqlConnection;
  const outcome = await translated(async () => {
    await connection.ensureConnection();
    const pinned = connection.getClient().connection();
    return pinned.execute(async (context) => {
      const fork = em.fork() as SqlEntityManager;
      fork.setTransactionContext(context);
      // Kysely would send a statement when the one before is answered: its connection takes several at once.
      const direct = await context
        .getExecutor()
        .provideConnection(async (connection) => connection);
      return attempt(statements(direct, dialect, timeoutMs), fork, work);
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
    // The work's first statements are sent behind it at once.
    const [, value] = await Promise.all([begin(), work({ em, sql })]);
    // PostgreSQL would answer the commit of a failed transaction with a silent rollback.
    if (failure()) throw failure();
    await end('commit');
    return { value };
  } catch (error) {
    await end('rollback').catch(() => {});
    return { error: error instanceof DriverException ? translate(error) : error };
  }
}

/**
 * Several statements on one way: the driver allows that where there are no parameters. The settings
 * end with the transaction: a pooler may give the connection to another client then. The isolation
 * is named, because a database or a user may have another default.
 */
function beginOnPostgres(timeoutMs: number): string {
  return `begin isolation level read committed; set local lock_timeout = ${POSTGRES_LOCK_TIMEOUT_MS};
    set local statement_timeout = ${statementTimeoutMs(timeoutMs)};
    set local idle_in_transaction_session_timeout = ${POSTGRES_ASLEEP_MS}`;
}

interface Statements {
  begin(): Promise<unknown>;
  readonly sql: Sql;
  /** The first error of a statement, even if the work caught it. */
  readonly failure: () => unknown;
  /** What the work still sends, when one of several things that it did at once has failed, is refused from now on. */
  end(how: 'commit' | 'rollback'): Promise<unknown>;
}

function statements(client: Client, dialect: Dialect, timeoutMs: number): Statements {
  let failure: unknown;
  let hasEnded = false;
  let previous: Promise<unknown> = Promise.resolve();
  const inOrder = <Row>(statement: string, parameters: Parameters, refusal: () => unknown) => {
    const run = () =>
      refusal()
        ? Promise.reject(refusal())
        : executeBound<Row>(client, dialect, statement, parameters);
    // SQLite's thread has a queue; the client of PostgreSQL is about to lose its own.
    const result = dialect === 'sqlite' ? run() : previous.then(run);
    previous = result.catch(() => {});
    return result;
  };
  const execute = async <Row>(statement: string, parameters: Parameters) => {
    if (hasEnded) throw new Error('The transaction has ended');
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
  const begin = () => execute(dialect === 'sqlite' ? BEGIN : beginOnPostgres(timeoutMs), []);
  const all = async <Row>(statement: string, parameters: Parameters = []) =>
    (await execute<Row>(statement, parameters)).rows;
  const run = async (statement: string, parameters: Parameters = []) =>
    Number((await execute(statement, parameters)).numAffectedRows ?? 0);
  return { begin, sql: Object.assign(all, { run }), failure: () => failure, end };
}

interface Client {
  executeQuery<Row>(query: CompiledQuery<Row>): Promise<QueryResult<Row>>;
}

/** MikroORM's own `execute` writes the values into the text of the statement: here they are bound, and the text stays the same. */
export async function executeBound<Row>(
  client: Client,
  dialect: Dialect,
  statement: string,
  parameters: Parameters,
): Promise<QueryResult<Row>> {
  const text = dialect === 'sqlite' ? statement : numbered(statement);
  return translated(() =>
    client.executeQuery(CompiledQuery.raw(text, [...parameters]) as CompiledQuery<Row>),
  );
}

/** PostgreSQL's placeholders have numbers. None of our statements has a question mark of its own. */
function numbered(statement: string): string {
  let count = 0;
  return statement.replaceAll('?', () => {
    count += 1;
    return `$${count}`;
  });
}
