import { TroubleError } from '../../service-layer/errors.ts';
import { allowSilence, type HeartbeatDatabase, withHeartbeat } from './connection/heartbeat.ts';
import { codeOf } from './errors.ts';

/** Numbers below 2^31 that no other user of the database locks. */
export const MIGRATION_LOCK = 720_575_940;
export const REBUILD_LOCK = 720_575_941;
export const PARKED_LOCK = 720_575_942;

/** How often a waiting process checks whether its signal has aborted. */
const WAIT_MS = 1_000;
const LOCK_NOT_AVAILABLE = '55P03';
const IDLE_IN_TRANSACTION = '25P03';
/**
 * Codes after which a process that waits for the lock asks again. A starting process on a busy
 * machine may sleep past the usual idle time-out before `allowSilence` takes effect.
 */
const ASK_AGAIN: readonly string[] = [LOCK_NOT_AVAILABLE, IDLE_IN_TRANSACTION];

/**
 * Runs `work` while this process holds an advisory lock of PostgreSQL. Other processes wait.
 *
 *   waiting ──lock──▶ holding ──work ends──▶ released
 *      ▲  │              │
 *      └──┘ every 1 s    └──transaction lost──▶ the work's signal aborts, its connections close
 *
 * An open transaction holds the lock. A session could not: behind a pooler in transaction mode,
 * only a transaction keeps its connection to the server. The work uses other connections.
 *
 * The holder proves that it is alive (`heartbeat.ts`). The server frees the lock at once when the
 * holder's connection ends. The server itself ends a connection after 30 s of silence, because the
 * process may be stopped, or its machine gone.
 *
 * @param database the database that has the lock
 * @param work must end soon after its signal has aborted
 * @throws {TroubleError} the transaction is lost: another process may hold the lock by now
 * @throws the signal's reason, when the signal aborts while this process waits
 */
export async function withAdvisoryLock<T>(
  database: HeartbeatDatabase,
  lock: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    let isHeld = false;
    try {
      return await database.transaction(async (sql) => {
        await sql(`set local lock_timeout = ${WAIT_MS}`);
        await allowSilence(sql);
        await sql(`select pg_advisory_xact_lock(${lock})`);
        isHeld = true;
        signal.throwIfAborted();
        return await withHeartbeat(database, sql, signal, work);
      });
    } catch (error) {
      const isWaiting =
        !isHeld && error instanceof TroubleError && ASK_AGAIN.includes(codeOf(error.cause));
      if (!isWaiting) throw error;
    }
  }
}
