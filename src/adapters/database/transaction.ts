import { DriverException, type EntityData, type EntityManager, type QueryResult } from '@mikro-orm/core';
import type { AbstractSqlConnection, SqlEntityManager } from '@mikro-orm/sqlite';
import { translate, translated } from './errors.ts';
import type { Dialect } from './options.ts';

/*
 * Guarantee: a transaction commits when its work resolves and rolls back when it rejects, and its connection comes back in any case.
 *
 * 1. begin: on SQLite `begin immediate`, which takes the write lock at once; on PostgreSQL `begin` (read committed: rows are locked one by one);
 * 2. the work;
 * 3. commit; or rollback, whose own failure is ignored: the connection, or the transaction, is gone already.
 *
 * A crash before 3 leaves nothing behind. A commit whose answer is lost may have happened: it is reported as trouble.
 * MikroORM's own `transactional` is not used: there a begin or rollback that fails never gives the connection back.
 */

export type Parameters = readonly (string | number | null)[];

/** Runs one statement (`?` for each parameter) inside the transaction. */
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
  { em, dialect }: { readonly em: EntityManager; readonly dialect: Dialect },
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const connection = em.getConnection() as AbstractSqlConnection;
  const outcome = await translated(async () => {
    await connection.ensureConnection();
    const pinned = connection.getClient().connection();
    return pinned.execute((context) => {
      const fork = em.fork() as SqlEntityManager;
      fork.setTransactionContext(context);
      return attempt(statements(connection, context), fork, dialect, work);
    });
  });
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

async function attempt<T>(
  { sql, failure }: Statements,
  em: SqlEntityManager,
  dialect: Dialect,
  work: (transaction: Transaction) => Promise<T>,
): Promise<Outcome<T>> {
  try {
    await sql(dialect === 'sqlite' ? 'begin immediate' : 'begin');
    const value = await work({ em, sql });
    // PostgreSQL would answer the commit of a failed transaction with a silent rollback.
    if (failure()) throw failure();
    await sql('commit');
    return { value };
  } catch (error) {
    await sql('rollback').catch(() => {});
    return { error: error instanceof DriverException ? translate(error) : error };
  }
}

interface Statements {
  readonly sql: Sql;
  /** The first error of a statement, even if the work caught it. */
  readonly failure: () => unknown;
}

type Context = NonNullable<Awaited<globalThis.Parameters<AbstractSqlConnection['execute']>[3]>>;

function statements(connection: AbstractSqlConnection, context: Context): Statements {
  let failure: unknown;
  const execute = async <R extends QueryResult | EntityData<never>[]>(statement: string, parameters: Parameters, method: 'all' | 'run') => {
    try {
      return await translated(() => connection.execute<R>(statement, [...parameters], method, context));
    } catch (error) {
      failure ??= error;
      throw error;
    }
  };
  const all = <Row>(statement: string, parameters: Parameters = []) => execute(statement, parameters, 'all') as Promise<Row[]>;
  const run = async (statement: string, parameters: Parameters = []) =>
    (await execute<QueryResult>(statement, parameters, 'run')).affectedRows;
  return { sql: Object.assign(all, { run }), failure: () => failure };
}
