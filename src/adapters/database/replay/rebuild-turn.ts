import { REBUILD_LOCK, withAdvisoryLock } from '../advisory-lock.ts';
import type { Database } from '../database.ts';

/**
 * Runs `work` when this service has its turn to rebuild the database. If several services find at
 * once that their database must be rebuilt, one works and the others wait.
 *
 * PostgreSQL: an advisory lock, which ends with its transaction however the process ends.
 * SQLite: no service waits. A rebuild is refused while another process uses the file
 * (`isUsedByOthers`).
 *
 * @param work must end soon after its signal has aborted; that signal also aborts when the turn is
 * lost
 * @throws {TroubleError} the turn is lost, and another service may have its turn now
 * @throws the signal's reason, when the signal aborts while this service waits
 */
export function inTurn<T>(
  database: Database,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (database.dialect === 'sqlite') return work(signal);
  return withAdvisoryLock(database, REBUILD_LOCK, signal, work);
}
