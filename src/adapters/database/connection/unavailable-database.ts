import {
  DatabaseUnavailableError,
  isNoDatabase,
  isSqliteBusy,
  messageOf,
  NoDatabaseError,
} from '../errors.ts';
import { POSTGRES_ADVICE } from './connection-failures.ts';
import { describeUrl, dialectOf, urlToShow } from './database-url.ts';

/**
 * Says why a database cannot be opened, and what the operator can do.
 * @param mustExist whether a missing database is not created
 */
export function whyUnavailable(error: unknown, url: string, mustExist: boolean): Error {
  if (mustExist && isNoDatabase(error))
    return new NoDatabaseError(urlToShow(url), { cause: error });
  if (error instanceof DatabaseUnavailableError) return error;
  const what = `Cannot use ${describeUrl(url)}: ${messageOf(error)}`;
  const advice = adviceOn(error, url);
  return new DatabaseUnavailableError(`${what}. ${advice}`, { cause: error, advice });
}

function adviceOn(error: unknown, url: string): string {
  if (isSqliteBusy(error))
    return 'Another process keeps the file locked: try again when that process has finished';
  return dialectOf(url) === 'sqlite'
    ? 'Check that its directory exists, that the file is writable and that the disk has room, ' +
        'or set DATABASE_URL to another place'
    : POSTGRES_ADVICE;
}
