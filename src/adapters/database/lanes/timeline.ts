import type { Database } from '../database.ts';
import { codeOf } from '../errors.ts';

/**
 * The first eight digits of a log file's name count the failovers and restored backups. A storage
 * snapshot that is put back stays on its timeline, but the server has started again since.
 */
const TIMELINE =
  "left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || extract(epoch from pg_postmaster_start_time())";

/** No such function, no privilege, not supported: a database that is only like PostgreSQL. */
const NOT_TOLD: readonly string[] = ['42883', '42501', '0A000'];

/**
 * An SQL expression for the timeline of the server that executes it, and for when that server was
 * started. A standby that takes over begins a new timeline. `null` where the database does not tell.
 * @throws {TroubleError} the server is a standby, or cannot be reached
 */
export async function readTimelineColumn(database: Database): Promise<string> {
  if (database.dialect === 'sqlite') return 'null';
  try {
    await database.query(`select ${TIMELINE}`);
    return TIMELINE;
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    if (NOT_TOLD.includes(codeOf(cause))) return 'null';
    throw error;
  }
}
