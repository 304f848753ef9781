import type { Database } from '../database.ts';
import { codeOf } from '../errors.ts';

/**
 * The first eight digits of a log file's name count the failovers and restored backups. A restored
 * storage snapshot stays on its timeline, but changes the server's start time.
 */
const TIMELINE =
  "left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || " +
  'extract(epoch from pg_postmaster_start_time())';

/** Codes of databases that imitate PostgreSQL: no such function, no privilege, not supported. */
const UNSUPPORTED_CODES: readonly string[] = ['42883', '42501', '0A000'];

/**
 * Returns an SQL expression for the server's timeline and start time. A standby that takes over
 * begins a new timeline. The expression is `null` if the database cannot tell.
 * @throws {TroubleError} the server is a standby, or cannot be reached
 */
export async function readTimelineColumn(database: Database): Promise<string> {
  if (database.dialect === 'sqlite') return 'null';
  try {
    await database.read(`select ${TIMELINE}`);
    return TIMELINE;
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    if (UNSUPPORTED_CODES.includes(codeOf(cause))) return 'null';
    throw error;
  }
}
