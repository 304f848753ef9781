import { fileURLToPath } from 'node:url';
import type { Options } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { PostgreSqlDriver } from '@mikro-orm/postgresql';
import { SqliteDriver } from '@mikro-orm/sqlite';
import { schemas } from '../mapping.ts';
import { type ConnectingPool, describeFailures } from './connection-failures.ts';
import { type DatabaseLimits, DEFAULT_LIMITS } from './database-limits.ts';
import { dialectOf, postgresUrl, sqliteFile } from './database-url.ts';
import { giveUpSilentConnections, type PostgresPool } from './silent-connections.ts';
import { type OnDeath, sqliteThreadDialect } from './sqlite-thread.ts';
import { encryptConnections, type TlsPool } from './tls-connections.ts';
import { hostOf, tlsOf } from './tls-parameters.ts';

/** How long a statement waits for another process that has locked the SQLite file. */
const SQLITE_BUSY_TIMEOUT_MS = 500;
/** How long a connection is quiet before the system checks whether its other end still exists. */
const KEEP_ALIVE_AFTER_MS = 10_000;
/** Each process has its own name, so that the server can tell their connections apart. */
const APPLICATION_NAME = `allocation ${crypto.randomUUID().slice(0, 8)}`;

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../../migrations', import.meta.url));

/** The options that start MikroORM and its command line. */
type DatabaseOptions = Partial<Options>;

/** Gets a function that destroys every connection of PostgreSQL's pool. */
type OnPool = (giveUpAll: (why: string) => void) => void;

const COMMON_OPTIONS = {
  entities: schemas,
  extensions: [Migrator],
  discovery: { inferDefaultValues: false },
  /** MikroORM prints nothing: its errors are thrown, and the service logs them. */
  logger: () => {},
  /** Migrations create the triggers, and the mapping does not contain them. */
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

/**
 * Returns MikroORM's options for the database at `url`, and connects to nothing.
 * @param onThreadDeath called when SQLite's thread has ended by itself: no statement works any more
 * @param onPool called with a function that destroys all connections to PostgreSQL
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

function sqliteOptions(
  file: string,
  { busyTimeoutMs = SQLITE_BUSY_TIMEOUT_MS }: DatabaseLimits,
  onThreadDeath: OnDeath,
): DatabaseOptions {
  return {
    ...COMMON_OPTIONS,
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
  const tls = tlsOf(url);
  return {
    ...COMMON_OPTIONS,
    driver: PostgreSqlDriver,
    clientUrl: `${url.protocol}//${url.username}:${url.password}@${url.host}${url.pathname}`,
    pool: { min: 0, max: poolSize },
    driverOptions: {
      // The driver must not read PGSSLMODE and PGSSLNEGOTIATION, to which it gives other meanings.
      ssl: tls !== null,
      sslnegotiation: 'postgres',
      host: hostOf(url),
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      application_name: APPLICATION_NAME,
      onPoolCreated: (pool: PostgresPool & TypedPool & TlsPool & ConnectingPool) => {
        readIntegersAsNumbers(pool);
        if (tls) encryptConnections(pool, tls);
        describeFailures(pool, { url, tls });
        onPool(giveUpSilentConnections(pool, timeoutMs));
      },
    },
  };
}

interface TypedPool {
  readonly options: {
    readonly types: { setTypeParser(oid: number, parse: (text: string) => unknown): void };
  };
}

/** The driver returns 64-bit integers as strings. All of ours fit into a number. */
function readIntegersAsNumbers(pool: TypedPool): void {
  const int8 = 20;
  pool.options.types.setTypeParser(int8, Number);
}
