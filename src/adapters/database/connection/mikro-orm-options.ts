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
const PROCESS_NAME = `allocation ${crypto.randomUUID().slice(0, 8)}`;

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../../migrations', import.meta.url));

/** The options that start MikroORM and its command line. */
type DatabaseOptions = Partial<Options>;

/** What an owner of connections wants of them. */
interface ConnectionOwner {
  /** Called when SQLite's thread has ended by itself: no statement works any more. */
  readonly onThreadDeath?: OnDeath;
  /** Gets a function that destroys every connection of PostgreSQL's pool. */
  readonly onPool?: (giveUpAll: (why: string) => void) => void;
  /** The name of the connections at PostgreSQL. Sessions of one name are ended together. */
  readonly name?: string;
}

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
 * @throws {InvalidDatabaseUrlError}
 */
export function databaseOptions(
  url: string,
  limits = DEFAULT_LIMITS,
  owner: ConnectionOwner = {},
): DatabaseOptions {
  if (dialectOf(url) === 'sqlite') return sqliteOptions(sqliteFile(url), limits, owner);
  return postgresOptions(postgresUrl(url), limits, owner);
}

function sqliteOptions(
  file: string,
  { busyTimeoutMs = SQLITE_BUSY_TIMEOUT_MS }: DatabaseLimits,
  { onThreadDeath }: ConnectionOwner,
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
  { onPool, name = PROCESS_NAME }: ConnectionOwner,
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
      application_name: name,
      onPoolCreated: (pool: PostgresPool & TypedPool & TlsPool & ConnectingPool) => {
        readIntegersAsNumbers(pool);
        if (tls) encryptConnections(pool, tls);
        describeFailures(pool, { url, tls });
        onPool?.(giveUpSilentConnections(pool, timeoutMs));
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
