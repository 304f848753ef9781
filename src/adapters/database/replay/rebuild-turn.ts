import { holdingLock, REBUILD_LOCK } from '../advisory-lock.ts';
import type { Database } from '../database.ts';

/**
 * Of services that find at once that their database must be rebuilt, one works and the others wait for their turn.
 *
 * PostgreSQL: an advisory lock, which goes with its transaction, whatever ends the process.
 * SQLite: nobody waits. A rebuild is refused while another process uses the file (`isUsedByOthers`).
 *
 * @param work ends soon after its signal has aborted: the signal that is given, or the turn is lost
 * @throws {TroubleError} the turn is lost: others may have theirs now
 * @throws the signal's reason, when it aborts while this one waits
 */
export function inTurn<T>(
  database: Database,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (database.dialect === 'sqlite') return work(signal);
  return holdingLock(database, REBUILD_LOCK, signal, work);
}
