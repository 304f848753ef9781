import { messageOf } from '../errors.ts';
import type { Sql } from '../transaction.ts';

const BEAT_MS = 5_000;
/** Several beats may be late: the work may keep its own process busy. */
const SILENT_OWNER_MS = 30_000;

/** The database that the work uses. `Database` is one. */
export interface BeatingHome {
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Fails whatever waits on the process's connections. */
  giveUpConnections(why: string): void;
}

/** Lets the transaction be silent for longer than others may. */
export async function bePatient(sql: Sql): Promise<void> {
  await sql(`set local idle_in_transaction_session_timeout = ${SILENT_OWNER_MS}`);
}

/**
 * Keeps a transaction of PostgreSQL alive with a statement every 5 s while the work lasts.
 *
 * A beat has the usual time-out, and the statements of long work have an hour. So a beat that gets
 * no answer stands for all connections of the process: what silenced one may have silenced all.
 * They are given up, the work's statements fail, and its signal aborts.
 *
 * The system's keep-alive finds a dead host within 20 s by itself. This finds a proxy that is alive
 * and passes nothing on.
 *
 * @param sql of the transaction that is kept alive
 * @param work uses other connections, and ends soon after its signal has aborted
 */
export async function beating<T>(
  database: BeatingHome,
  sql: Sql,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await bePatient(sql);
  const lost = new AbortController();
  let isOver = false;
  const timer = setInterval(() => {
    sql('select 1').catch((error) => {
      if (isOver || lost.signal.aborted) return;
      lost.abort(error);
      database.giveUpConnections(
        `The connection that shows whether PostgreSQL answers is lost: ${messageOf(error)}`,
      );
    });
  }, BEAT_MS);
  try {
    return await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    isOver = true;
    clearInterval(timer);
  }
}
