import { TroubleError } from '../../service-layer/errors.ts';

/** The database has migrations that this version of the service does not know. */
export class NewerDatabaseError extends Error {
  readonly code = 'newer-database';

  constructor(database: string, unknown: readonly string[]) {
    super(
      `${capitalised(database)} was migrated by a newer version of this service (${unknown.join(', ')}). ` +
        'Start that version, or take its migrations back with it: npx mikro-orm migration:down',
    );
  }
}

/** The database cannot be opened: the message says why, and what to do. */
export class DatabaseUnavailableError extends TroubleError {}

/**
 * An SQLSTATE whose class says that the statement or its data is wrong: 22 data, 23 constraint, 42 syntax or access, 54 beyond a limit
 * of the server, as a row that is too large for an index.
 */
const FAULTY_SQLSTATE = /^(22|23|42|54)[0-9A-Z]{3}$/;
const FAULTY_SQLITE_CODE = /^SQLITE_(ERROR|TOOBIG|MISMATCH|RANGE|CONSTRAINT)/;

/** Unique violations are a race with another lane; missing privileges are nobody's statement's fault. */
const NOT_THE_STATEMENT = new Set([
  '23505',
  '42501',
  'SQLITE_CONSTRAINT_UNIQUE',
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE_CONSTRAINT_ROWID',
]);

/**
 * What a driver's error means, decided here and nowhere else: an error that would come again with the same statement stays what it is;
 * everything else (locks, full disks, lost connections, races …) is trouble that passes.
 */
export function translate(error: unknown): unknown {
  if (error instanceof TroubleError || isStatementsFault(error)) return error;
  return new TroubleError(`The database cannot do it now: ${messageOf(error)}`, { cause: error });
}

/**
 * PostgreSQL has undone the transaction for the sake of another one: serialization failure, deadlock,
 * a lock that was not free in time, a row that the other one has inserted first.
 */
const UNDONE_FOR_ANOTHER: readonly string[] = ['40001', '40P01', '55P03', '23505'];

/** Whether nothing of the transaction was done, and the same work may succeed at once. */
export function isWorthRepeating(error: unknown): boolean {
  return error instanceof TroubleError && UNDONE_FOR_ANOTHER.includes(codeOf(error.cause));
}

/** `work` consists of nothing but calls of the driver. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translate(error);
  }
}

function isStatementsFault(error: unknown): boolean {
  const code = codeOf(error);
  if (NOT_THE_STATEMENT.has(code)) return false;
  if (FAULTY_SQLSTATE.test(code) || FAULTY_SQLITE_CODE.test(code)) return true;
  // better-sqlite3 tells a wrong call from trouble by the class; a closed connection is the exception.
  return (
    error instanceof RangeError ||
    (error instanceof TypeError && !error.message.includes('not open'))
  );
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}

/** The driver's own words. */
export function messageOf(error: unknown): string {
  if (error instanceof TroubleError && error.cause) return messageOf(error.cause);
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
