import { messageOf } from '../errors.ts';
import type { Sql } from '../transaction.ts';

const BEAT_MS = 5_000;
/** Longer than several beats, because the work may keep its own process busy. */
const SILENT_OWNER_MS = 30_000;

/** The database that the work uses. `Database` is one. */
export interface HeartbeatDatabase {
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Fails everything that waits on the process's connections. */
  giveUpConnections(why: string): void;
}

/** Lets the transaction stay silent for longer than other transactions may. */
export async function allowSilence(sql: Sql): Promise<void> {
  await sql(`set local idle_in_transaction_session_timeout = ${SILENT_OWNER_MS}`);
}

/**
 * Runs `work` and keeps a transaction of PostgreSQL alive meanwhile, with a statement every 5 s.
 *
 * A beat has the usual time-out, whereas the statements of long work have an hour. A beat without
 * an answer speaks for all connections of the process, because one cause may have silenced all of
 * them. So all connections are destroyed, the work's statements fail, and its signal aborts.
 *
 * The system's keep-alive finds a dead host within 20 s. The heartbeat also finds a proxy that is
 * alive and passes nothing on.
 *
 * @param sql runs statements in the transaction that is kept alive
 * @param work uses other connections, and must end soon after its signal has aborted
 */
export async function withHeartbeat<T>(
  database: HeartbeatDatabase,
  sql: Sql,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await allowSilence(sql);
  const lost = new AbortController();
  let isOver = false;
  const timer = setInterval(() => {
    sql('select 1').catch((error) => {
      if (isOver || lost.signal.aborted) return;
      lost.abort(error);
      database.giveUpConnections(
        `The heartbeat to PostgreSQL failed, so its connections are closed: ${messageOf(error)}`,
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
