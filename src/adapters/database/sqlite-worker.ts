import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import type { Answer, Statement, ThreadOptions } from './sqlite-thread.ts';

/*
 * The thread that `sqlite-thread.ts` starts: one connection, one statement after another; null ends it.
 *
 * As PostgreSQL does: after a statement has failed within a transaction, only a rollback is taken. What was sent without waiting
 * for the answer cannot slip out of the transaction that SQLite itself may have rolled back (disk full, I/O error).
 */

const { file, busyTimeoutMs } = workerData as ThreadOptions;
const database = new SqliteDatabase(file, { timeout: busyTimeoutMs });
let hasFailed = false;

parentPort?.on('message', (statement: Statement | null) => {
  if (statement) return parentPort?.postMessage(answer(statement));
  database.close();
  parentPort?.close();
});
parentPort?.postMessage('open');

function answer({ sql, parameters }: Statement): Answer {
  const wasInTransaction = database.inTransaction;
  try {
    if (/^\s*rollback/i.test(sql)) hasFailed = false;
    if (hasFailed) throw new Error('The transaction has failed: only a rollback is taken');
    const prepared = database.prepare(sql);
    if (prepared.reader) return { result: { rows: prepared.all(parameters) } };
    const { changes, lastInsertRowid } = prepared.run(parameters);
    return { result: { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) } };
  } catch (error) {
    hasFailed ||= wasInTransaction;
    return { error: error as Error, code: (error as { code?: string }).code };
  }
}
