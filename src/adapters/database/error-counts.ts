/**
 * Names of SQLSTATEs (PostgreSQL, appendix A), of codes of SQLite, and of codes of Node. A name may
 * stand for several codes.
 */
const NAMES: Readonly<Record<string, string>> = {
  '23505': 'unique_violation',
  '25006': 'read_only_transaction',
  '25P03': 'idle_in_transaction_timeout',
  '28000': 'invalid_authorization',
  '28P01': 'invalid_password',
  '3D000': 'no_such_database',
  '40001': 'serialization_failure',
  '40P01': 'deadlock_detected',
  '42501': 'insufficient_privilege',
  '53100': 'disk_full',
  '53200': 'out_of_memory',
  '53300': 'too_many_connections',
  '55P03': 'lock_not_available',
  '57014': 'query_canceled',
  '57P01': 'admin_shutdown',
  '57P02': 'crash_shutdown',
  '57P03': 'cannot_connect_now',
  SQLITE_BUSY: 'sqlite_busy',
  SQLITE_CANTOPEN: 'sqlite_cantopen',
  SQLITE_CORRUPT: 'sqlite_corrupt',
  SQLITE_FULL: 'sqlite_full',
  SQLITE_IOERR: 'sqlite_ioerr',
  SQLITE_LOCKED: 'sqlite_locked',
  SQLITE_NOTADB: 'sqlite_notadb',
  SQLITE_READONLY: 'sqlite_readonly',
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_lost',
  EPIPE: 'connection_lost',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EAI_AGAIN: 'unknown_host',
  ENOTFOUND: 'unknown_host',
  ETIMEDOUT: 'timeout',
};

/** The class of SQLSTATEs of broken connections. */
const CONNECTION_EXCEPTION = /^08[0-9A-Z]{3}$/;
/** SQLite refines its codes: `SQLITE_BUSY_SNAPSHOT`, `SQLITE_IOERR_WRITE`. */
const SQLITE_CODE = /^SQLITE_[A-Z]+/;

const counts = new Map(
  [...new Set(Object.values(NAMES)), 'other'].toSorted().map((name) => [name, 0]),
);

/** How often the database failed in this process, by the name of the error. Metrics read this. */
export const databaseErrors: ReadonlyMap<string, number> = counts;

/**
 * Counts an error.
 * @param code an SQLSTATE, or a code of SQLite or Node; others count as `other`
 */
export function countDatabaseError(code: string): void {
  const name = nameOf(code);
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function nameOf(code: string): string {
  if (CONNECTION_EXCEPTION.test(code)) return 'connection_lost';
  const known = SQLITE_CODE.exec(code)?.[0] ?? code;
  return (Object.hasOwn(NAMES, known) ? NAMES[known] : undefined) ?? 'other';
}
