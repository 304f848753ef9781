import { AllocationError } from '../../domain/errors.ts';
import {
  DatabaseTroubleError,
  SlowTransactionError,
  TroubleError,
} from '../../service-layer/errors.ts';
import { countDatabaseError } from './error-counts.ts';

/** The database has migrations that this version of the service lacks. */
export class NewerDatabaseError extends AllocationError {
  override readonly code = 'newer-database';

  constructor(database: string, unknown: readonly string[]) {
    super(
      `${capitalise(database)} was migrated by a newer version of this service ` +
        `(${unknown.join(', ')}). ` +
        'Start that version, or undo its migrations with it: npx mikro-orm migration:down',
    );
  }
}

/** There is no database at the url, and the caller must not create one. */
export class NoDatabaseError extends AllocationError {
  override readonly code = 'no-database';

  /** @param url the url to show, without a password */
  constructor(url: string, options?: ErrorOptions) {
    super(`There is no database ${url}`, options);
  }
}

/** The database cannot be opened. The message says why, and what to do. */
export class DatabaseUnavailableError extends DatabaseTroubleError {}

/**
 * SQLSTATE classes of wrong statements and wrong data. 22: data. 23: a constraint. 42: syntax or
 * access. 54: a limit of the server, such as the size of an index row.
 */
const FAULTY_SQLSTATE = /^(22|23|42|54)[0-9A-Z]{3}$/;
const FAULTY_SQLITE_CODE = /^SQLITE_(ERROR|TOOBIG|MISMATCH|RANGE|CONSTRAINT)/;

/**
 * Codes of those classes that the statement does not cause. A unique violation comes from a race
 * with another lane. Missing privileges are the administrator's to grant.
 */
const NOT_THE_STATEMENT = new Set([
  '23505',
  '42501',
  'SQLITE_CONSTRAINT_UNIQUE',
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE_CONSTRAINT_ROWID',
]);

/**
 * The codes with which PostgreSQL undoes a transaction that takes too long. 57014: a statement, at
 * its time-out or because somebody cancelled it. 25P03: a session that slept in its transaction,
 * perhaps because this process was busy with the commands.
 */
const TOOK_TOO_LONG: Readonly<Record<string, string>> = {
  '57014':
    'The database ended a statement, at its time-out or because somebody cancelled it ' +
    '(DATABASE_TIMEOUT_MS is the usual time-out)',
  '25P03':
    'The database ended a transaction, because this process was busy or stopped in the middle of it',
};

/**
 * Turns a driver's error into the error that the service throws. This function alone decides which
 * errors time can mend.
 *
 * An error that the same statement would raise again stays as it is. Every other error becomes a
 * `DatabaseTroubleError`, because time can mend it: locks, full disks, lost connections, races.
 */
export function translate(error: unknown): unknown {
  if (error instanceof TroubleError || isStatementsFault(error)) return error;
  countDatabaseError(codeOf(error));
  const slow = TOOK_TOO_LONG[codeOf(error)];
  if (slow !== undefined)
    return new SlowTransactionError(`${slow}: ${messageOf(error)}`, { cause: error });
  return new DatabaseTroubleError(
    `The database cannot execute the statement now: ${messageOf(error)}`,
    { cause: error },
  );
}

/**
 * The codes with which PostgreSQL undoes a transaction in favour of another one. In their order:
 * serialization failure, deadlock, lock time-out, a row that the other transaction inserted first.
 */
const UNDONE_FOR_ANOTHER: readonly string[] = ['40001', '40P01', '55P03', '23505'];

/** Tells whether the transaction changed nothing, and the same work may succeed at once. */
export function isWorthRepeating(error: unknown): boolean {
  return error instanceof TroubleError && UNDONE_FOR_ANOTHER.includes(codeOf(error.cause));
}

/**
 * Runs `work` and throws its errors as `translate` turns them.
 * @param work only calls the driver
 */
export async function translateErrors<T>(work: () => Promise<T>): Promise<T> {
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
  // better-sqlite3 throws these classes for a wrong call, and a TypeError for a closed connection.
  return (
    error instanceof RangeError ||
    (error instanceof TypeError && !error.message.includes('not open'))
  );
}

const NO_SUCH_DATABASE = '3D000';

/** Tells whether PostgreSQL has refused a connection because its server has no such database. */
export function isNoDatabase(error: unknown): boolean {
  return (
    codeOf(error) === NO_SUCH_DATABASE || (error instanceof Error && isNoDatabase(error.cause))
  );
}

/** Tells whether another process has locked the SQLite file. */
export function isSqliteBusy(error: unknown): boolean {
  return error instanceof Error && codeOf(error.cause).startsWith('SQLITE_BUSY');
}

/** Returns the error's `code` (an SQLSTATE, or SQLite's code), or an empty string. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}

/** Returns the driver's own message. */
export function messageOf(error: unknown): string {
  if (error instanceof TroubleError && error.cause) return messageOf(error.cause);
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Returns the text with a capital at its beginning. */
export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
