import { TroubleError } from '../../service-layer/unit-of-work.ts';
import { codeOf } from './errors.ts';
import type { Sql } from './transaction.ts';

/** Numbers below 2^31 that no other user of the database locks. */
export const MIGRATION_LOCK = 720_575_940;
export const REBUILD_LOCK = 720_575_941;
export const PARKED_LOCK = 720_575_942;

/** How often a waiting process checks whether its signal has aborted. */
const WAIT_MS = 1_000;
const BEAT_MS = 5_000;
/** Several beats may be late: the holder's own work may keep its process busy. */
const SILENT_OWNER_MS = 30_000;
/**
 * Before the lock is held, both mean: ask again. A process that starts on a busy machine may sleep for
 * longer than an ordinary transaction may, until it has said that it is patient.
 */
const LOCK_NOT_AVAILABLE = '55P03';
const IDLE_IN_TRANSACTION = '25P03';
const ASK_AGAIN: readonly string[] = [LOCK_NOT_AVAILABLE, IDLE_IN_TRANSACTION];

type RunTransaction = <T>(work: (sql: Sql) => Promise<T>) => Promise<T>;

/**
 * Runs `work` while an advisory lock of PostgreSQL is held: of all processes, one at a time.
 *
 *   waiting ──lock──▶ holding ──work ends──▶ released
 *      ▲  │              │
 *      └──┘ every 1 s    └──transaction lost──▶ the work's signal aborts
 *
 * A transaction that stays open holds the lock, not a session: behind a pooler in transaction mode,
 * only a transaction keeps its connection to the server. The work uses other connections.
 *
 * The holder proves that it is alive with a statement every 5 s. The server frees the lock at once
 * when the holder's connection ends, and after 30 s of silence: the process may be stopped, or its
 * machine gone.
 *
 * @param runTransaction of the database that has the lock
 * @param work ends soon after its signal has aborted
 * @throws {TroubleError} the transaction is lost: another process may hold the lock by now
 * @throws the signal's reason, when the signal aborts while this process waits
 */
export async function holdingLock<T>(
  runTransaction: RunTransaction,
  lock: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    let isHeld = false;
    try {
      return await runTransaction(async (sql) => {
        await sql(`set local lock_timeout = ${WAIT_MS}`);
        await sql(`set local idle_in_transaction_session_timeout = ${SILENT_OWNER_MS}`);
        await sql(`select pg_advisory_xact_lock(${lock})`);
        isHeld = true;
        signal.throwIfAborted();
        return await beating(sql, signal, work);
      });
    } catch (error) {
      const isWaiting = !isHeld && error instanceof TroubleError && ASK_AGAIN.includes(codeOf(error.cause));
      if (!isWaiting) throw error;
    }
  }
}

/** Keeps the transaction alive while the work lasts. */
async function beating<T>(sql: Sql, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const lost = new AbortController();
  const timer = setInterval(() => {
    sql('select 1').catch((error) => lost.abort(error));
  }, BEAT_MS);
  try {
    return await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    clearInterval(timer);
  }
}
