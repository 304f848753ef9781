import { TroubleError } from '../../service-layer/errors.ts';
import { type BeatingHome, beating, bePatient } from './connection/heartbeat.ts';
import { codeOf } from './errors.ts';

/** Numbers below 2^31 that no other user of the database locks. */
export const MIGRATION_LOCK = 720_575_940;
export const REBUILD_LOCK = 720_575_941;
export const PARKED_LOCK = 720_575_942;

/** How often a waiting process checks whether its signal has aborted. */
const WAIT_MS = 1_000;
/**
 * Before the lock is held, both mean: ask again. A process that starts on a busy machine may sleep for
 * longer than an ordinary transaction may, until it has said that it is patient.
 */
const LOCK_NOT_AVAILABLE = '55P03';
const IDLE_IN_TRANSACTION = '25P03';
const ASK_AGAIN: readonly string[] = [LOCK_NOT_AVAILABLE, IDLE_IN_TRANSACTION];

/**
 * Runs `work` while an advisory lock of PostgreSQL is held: of all processes, one at a time.
 *
 *   waiting ──lock──▶ holding ──work ends──▶ released
 *      ▲  │              │
 *      └──┘ every 1 s    └──transaction lost──▶ the work's signal aborts, its connections go
 *
 * A transaction that stays open holds the lock, not a session: behind a pooler in transaction mode,
 * only a transaction keeps its connection to the server. The work uses other connections.
 *
 * The holder proves that it is alive (`heartbeat.ts`). The server frees the lock at once when the
 * holder's connection ends, and after 30 s of silence: the process may be stopped, or its machine
 * gone.
 *
 * @param database has the lock
 * @param work ends soon after its signal has aborted
 * @throws {TroubleError} the transaction is lost: another process may hold the lock by now
 * @throws the signal's reason, when the signal aborts while this process waits
 */
export async function holdingLock<T>(
  database: BeatingHome,
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
        await bePatient(sql);
        await sql(`select pg_advisory_xact_lock(${lock})`);
        isHeld = true;
        signal.throwIfAborted();
        return await beating(database, sql, signal, work);
      });
    } catch (error) {
      const isWaiting =
        !isHeld && error instanceof TroubleError && ASK_AGAIN.includes(codeOf(error.cause));
      if (!isWaiting) throw error;
    }
  }
}
