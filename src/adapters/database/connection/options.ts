import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Options } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { PostgreSqlDriver } from '@mikro-orm/postgresql';
import { SqliteDriver } from '@mikro-orm/sqlite';
import { schemas } from '../aggregates/mapping.ts';
import { giveUpSilentConnections, type PostgresPool } from './silent-connections.ts';
import { type OnDeath, sqliteThreadDialect } from './sqlite-thread.ts';
import { STATEMENT_TIMEOUT_MS } from './statement-timeout.ts';

/** How long a statement waits for another process's lock before it is trouble. On PostgreSQL: one in a transaction. */
const SQLITE_BUSY_TIMEOUT_MS = 500;
const POSTGRES_POOL_SIZE = 10;
/** How long a connection is quiet before the system asks whether its other end is still there. */
const KEEP_ALIVE_AFTER_MS = 10_000;
/**
 * A process that is stopped amid a transaction, or a machine that is gone, would keep its rows locked, for hours in the latter case, and with them
 * every lane that needs them.
 */
export const POSTGRES_ASLEEP_MS = 4_000;
/**
 * Of a process that is stopped one session may be waiting for another one's lock: when that is taken from it, the next would get it, and sleep on
 * it again. Together with the above as long as the group waits for a silent member: when its lanes are others', nothing is locked any more.
 */
export const POSTGRES_LOCK_TIMEOUT_MS = 2_000;
/** One process's: others' connections can be told from its own. */
const APPLICATION_NAME = `allocation ${crypto.randomUUID().slice(0, 8)}`;

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../../migrations', import.meta.url));

export type Dialect = 'sqlite' | 'postgresql';

/** How much of a database is used, and how long it is waited for. */
export interface DatabaseLimits {
  /** How many connections at most. */
  readonly poolSize: number;
  /** For a connection, and for the answer to a statement that is no long work. */
  readonly timeoutMs: number;
  /** How long a statement waits for another process that has a SQLite file locked. */
  readonly busyTimeoutMs?: number;
}

export const DEFAULT_LIMITS: DatabaseLimits = {
  poolSize: POSTGRES_POOL_SIZE,
  timeoutMs: STATEMENT_TIMEOUT_MS,
};

/** What MikroORM, and its command line, are started with. */
export type DatabaseOptions = Partial<Options>;

/**
 * The url is no address of a database: the message says what one looks like. It quotes nothing of
 * the url, because a mistyped url may hold its password at any place.
 */
export class InvalidDatabaseUrlError extends Error {
  readonly code = 'invalid-database-url';

  constructor(why: string) {
    super(
      `${why}. Expected sqlite:///./file.db, sqlite:////absolute/file.db, sqlite:///:memory: or postgresql://user:password@host:port/name`,
    );
  }
}

/**
 * MikroORM's options for the database at `url`. Connects to nothing.
 * @param onThreadDeath told when SQLite's thread has ended by itself: no statement works any more
 * @param onPool gets what gives every connection of PostgreSQL's pool up
 * @throws {InvalidDatabaseUrlError}
 */
export function databaseOptions(
  url: string,
  limits = DEFAULT_LIMITS,
  onThreadDeath: OnDeath = () => {},
  onPool: OnPool = () => {},
): DatabaseOptions {
  if (dialectOf(url) === 'sqlite') return sqliteOptions(sqliteFile(url), limits, onThreadDeath);
  return postgresOptions(postgresUrl(url), limits, onPool);
}

type OnPool = (giveUpAll: (why: string) => void) => void;

/** @throws {InvalidDatabaseUrlError} */
export function dialectOf(url: string): Dialect {
  if (url.startsWith('sqlite:')) return 'sqlite';
  if (url.startsWith('postgresql://') || url.startsWith('postgres://')) return 'postgresql';
  throw new InvalidDatabaseUrlError('The database url starts with neither sqlite: nor postgresql:');
}

/** What the url points at, in words that may be shown: without the password. */
export function describeUrl(url: string): string {
  if (dialectOf(url) === 'sqlite') return `the SQLite database ${sqliteFile(url)}`;
  const { hostname, port, pathname } = postgresUrl(url);
  return `the PostgreSQL database ${decodeURIComponent(pathname.slice(1))} at ${hostname}:${port || 5432}`;
}

/** `:memory:`, or an absolute path: two urls of one file come to the same. */
export function sqliteFile(url: string): string {
  const path = /^sqlite:\/\/\/(.+)$/s.exec(url)?.[1];
  if (!path)
    throw new InvalidDatabaseUrlError('A SQLite url has three slashes and then the path of a file');
  return path === ':memory:' ? path : resolve(path);
}

function postgresUrl(url: string): URL {
  if (!URL.canParse(url)) throw new InvalidDatabaseUrlError(UNREADABLE_URL);
  const parsed = new URL(url);
  if (!isDecodable(parsed)) throw new InvalidDatabaseUrlError(UNREADABLE_URL);
  if (!parsed.hostname || parsed.pathname.length < 2)
    throw new InvalidDatabaseUrlError('A PostgreSQL url names a host and a database');
  // What stands behind a / of a password would be taken for the database, and be shown.
  if (/[/@]/.test(parsed.pathname.slice(1))) throw new InvalidDatabaseUrlError(UNREADABLE_URL);
  return parsed;
}

const UNREADABLE_URL =
  'The PostgreSQL url cannot be read (in a password, write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25)';

function isDecodable({ username, password, hostname, pathname }: URL): boolean {
  try {
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

const common = {
  entities: schemas,
  extensions: [Migrator],
  discovery: { inferDefaultValues: false },
  /** What goes wrong is thrown; nothing is printed behind the log's back. */
  logger: () => {},
  /** Migrations make them, and the mapping does not show them. */
  schemaGenerator: { ignoreTriggers: true },
  migrations: {
    path: MIGRATIONS_FOLDER,
    glob: '!(*.d).{js,ts}',
    tableName: 'mikro_orm_migrations',
    snapshot: false,
    silent: true,
    disableForeignKeys: false,
  },
};

function sqliteOptions(
  file: string,
  { busyTimeoutMs = SQLITE_BUSY_TIMEOUT_MS }: DatabaseLimits,
  onThreadDeath: OnDeath,
): DatabaseOptions {
  return {
    ...common,
    driver: SqliteDriver,
    dbName: file,
    driverOptions: sqliteThreadDialect({ file, busyTimeoutMs }, onThreadDeath),
  };
}

function postgresOptions(
  url: URL,
  { poolSize, timeoutMs }: DatabaseLimits,
  onPool: OnPool,
): DatabaseOptions {
  const ssl = sslOf(url);
  return {
    ...common,
    driver: PostgreSqlDriver,
    clientUrl: `${url.protocol}//${url.username}:${url.password}@${url.host}${url.pathname}`,
    pool: { min: 0, max: poolSize },
    driverOptions: {
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      application_name: APPLICATION_NAME,
      onPoolCreated: (pool: PostgresPool & TypedPool) => {
        readIntegersAsNumbers(pool);
        onPool(giveUpSilentConnections(pool, timeoutMs));
      },
      ...ssl,
    },
  };
}

interface TypedPool {
  readonly options: {
    readonly types: { setTypeParser(oid: number, parse: (text: string) => unknown): void };
  };
}

/** The driver hands out 64-bit integers as strings; ours fit a number. */
function readIntegersAsNumbers(pool: TypedPool): void {
  const int8 = 20;
  pool.options.types.setTypeParser(int8, Number);
}

function sslOf(url: URL): { ssl?: boolean | { rejectUnauthorized: boolean } } {
  for (const name of url.searchParams.keys()) {
    if (name !== 'sslmode')
      throw new InvalidDatabaseUrlError('The PostgreSQL url has another parameter than sslmode');
  }
  const mode = url.searchParams.get('sslmode') ?? 'disable';
  if (mode === 'disable') return {};
  if (mode === 'require') return { ssl: { rejectUnauthorized: false } };
  if (mode === 'verify-full') return { ssl: true };
  throw new InvalidDatabaseUrlError(
    'The PostgreSQL url has an unknown sslmode; use one of: disable, require, verify-full',
  );
}
