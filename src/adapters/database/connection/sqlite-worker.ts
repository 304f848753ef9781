import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import { BEGIN, type Statement, type ThreadAnswer, type ThreadOptions } from './sqlite-messages.ts';

/*
 * The thread that `sqlite-thread.ts` starts. It has one connection and executes one statement after
 * another. A null message ends the thread.
 *
 * After a statement of a transaction has failed, `begin` included, the thread accepts only a
 * rollback, as PostgreSQL does. SQLite itself may have rolled back (disk full, I/O error). A
 * statement that was sent without waiting could then run outside the transaction.
 */

const { file, busyTimeoutMs } = workerData as ThreadOptions;
const database = new SqliteDatabase(file, { timeout: busyTimeoutMs });
const MAX_STATEMENTS = 200;
const statements = new Map<string, SqliteDatabase.Statement>();
let hasFailed = false;

parentPort?.on('message', (statement: Statement | null) => {
  if (statement) return parentPort?.postMessage(answer(statement));
  database.close();
  parentPort?.close();
});
parentPort?.postMessage('open');

function answer({ sql, parameters }: Statement): ThreadAnswer {
  const wasInTransaction = database.inTransaction;
  try {
    if (/^\s*rollback/i.test(sql)) hasFailed = false;
    if (hasFailed) throw new Error('The transaction has failed and accepts only a rollback');
    const runnable = prepare(sql);
    if (runnable.reader) return { result: { rows: runnable.all(parameters) } };
    const { changes, lastInsertRowid } = runnable.run(parameters);
    return {
      result: { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) },
    };
  } catch (error) {
    hasFailed ||= wasInTransaction || sql === BEGIN;
    return { error: error as Error, code: (error as { code?: string }).code };
  }
}

/**
 * Prepares each statement once. The service has some twenty statements, which never change. A
 * migration or the command line may have any number, hence the limit.
 */
function prepare(sql: string): SqliteDatabase.Statement {
  const known = statements.get(sql);
  if (known) return known;
  const statement = database.prepare(sql);
  if (statements.size >= MAX_STATEMENTS) statements.clear();
  statements.set(sql, statement);
  return statement;
}
