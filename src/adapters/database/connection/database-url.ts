import { resolve } from 'node:path';
import { AllocationError } from '../../../domain/errors.ts';

export type Dialect = 'sqlite' | 'postgresql';

const EXPECTED_URL =
  'Expected sqlite:///./file.db, sqlite:////absolute/file.db, sqlite:///:memory: or ' +
  'postgresql://user:password@host:port/name';

/**
 * The url is not the address of a database. The message shows what an address looks like. It
 * quotes no part of the url, because a mistyped url may hold its password anywhere.
 */
export class InvalidDatabaseUrlError extends AllocationError {
  override readonly code = 'invalid-database-url';

  constructor(why: string) {
    super(`${why}. ${EXPECTED_URL}`, { advice: EXPECTED_URL });
  }
}

/**
 * Tells from the url which kind of database it addresses.
 * @throws {InvalidDatabaseUrlError}
 */
export function dialectOf(url: string): Dialect {
  if (url.startsWith('sqlite:')) return 'sqlite';
  if (url.startsWith('postgresql://') || url.startsWith('postgres://')) return 'postgresql';
  throw new InvalidDatabaseUrlError('The database url starts with neither sqlite: nor postgresql:');
}

/** Describes the database at the url in words that are safe to show, without the password. */
export function describeUrl(url: string): string {
  if (dialectOf(url) === 'sqlite') return `the SQLite database ${sqliteFile(url)}`;
  const { hostname, port, pathname } = postgresUrl(url);
  const name = decodeURIComponent(pathname.slice(1));
  return `the PostgreSQL database ${name} at ${hostname}:${port || 5432}`;
}

/** Returns the url without user and password, and with the absolute path of a file. */
export function urlToShow(url: string): string {
  if (dialectOf(url) === 'sqlite') return `sqlite:///${sqliteFile(url)}`;
  const { protocol, host, pathname } = postgresUrl(url);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Returns `:memory:` or the absolute path of the file. Two urls of one file give the same path.
 * @throws {InvalidDatabaseUrlError}
 */
export function sqliteFile(url: string): string {
  const path = /^sqlite:\/\/\/(.+)$/s.exec(url)?.[1];
  if (!path)
    throw new InvalidDatabaseUrlError('A SQLite url has three slashes and then the path of a file');
  // Errors show the path.
  if (path.includes('://'))
    throw new InvalidDatabaseUrlError('The SQLite database url names another url as its file');
  return path === ':memory:' ? path : resolve(path);
}

/**
 * Parses the url of a PostgreSQL database.
 * @throws {InvalidDatabaseUrlError}
 */
export function postgresUrl(url: string): URL {
  if (!URL.canParse(url)) throw new InvalidDatabaseUrlError(UNREADABLE_URL);
  const parsed = new URL(url);
  if (!isDecodable(parsed)) throw new InvalidDatabaseUrlError(UNREADABLE_URL);
  if (!parsed.hostname || parsed.pathname.length < 2)
    throw new InvalidDatabaseUrlError('A PostgreSQL url names a host and a database');
  // A mistyped url may have its password in the path, the fragment or the user. All are refused,
  // because errors show the names of the database and the user.
  if (/[/@]/.test(parsed.pathname.slice(1)) || parsed.hash || /:|%3a/i.test(parsed.username))
    throw new InvalidDatabaseUrlError(UNREADABLE_URL);
  return parsed;
}

const UNREADABLE_URL =
  'The PostgreSQL url cannot be read (in a password, write @ as %40, / as %2F, ? as %3F, ' +
  '# as %23 and % as %25)';

function isDecodable({ username, password, hostname, pathname }: URL): boolean {
  try {
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
