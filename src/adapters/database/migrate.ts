import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/core';
import { MIGRATION_LOCK, withAdvisoryLock } from './advisory-lock.ts';
import type { Dialect } from './connection/database-url.ts';
import type { HeartbeatDatabase } from './connection/heartbeat.ts';
import { asLongWork } from './connection/long-work.ts';
import { MIGRATIONS_FOLDER } from './connection/mikro-orm-options.ts';
import {
  capitalise,
  codeOf,
  DatabaseUnavailableError,
  messageOf,
  NewerDatabaseError,
  translate,
} from './errors.ts';

/*
 * Guarantee: all pending migrations are applied, or none. If several processes start at once, one
 * of them applies the migrations.
 *
 * PostgreSQL: the second process waits at an advisory lock, and then finds nothing pending. The
 * lock has its own connection. Where nothing is pending from the beginning, no lock is taken.
 * SQLite: the second process finds the file locked, or changed under its transaction. The second
 * process rolls back and looks again.
 * A crash at any point rolls back, and PostgreSQL frees the lock together with its transaction.
 */

/** The SQLSTATE of a missing privilege, and of a statement that only the owner may run. */
const NO_PRIVILEGE = '42501';
const BUSY_DEADLINE_MS = 10_000;
const BUSY_RETRY_MS = 50;
const NO_SUCH_TABLE = '42P01';

interface MigrationTarget {
  readonly orm: MikroORM;
  readonly dialect: Dialect;
  /** Describes the database in an error message. */
  readonly description: string;
  readonly database: HeartbeatDatabase;
}

/**
 * Applies the pending migrations, all or none.
 * @returns the names of the applied migrations
 * @throws {NewerDatabaseError}
 */
export async function migrate({
  orm,
  dialect,
  description,
  database,
}: MigrationTarget): Promise<readonly string[]> {
  const work = () => applyPending(orm, description);
  try {
    if (dialect === 'sqlite') return await retryWhileBusy(work);
    if (await isUpToDate(database)) return [];
    return await withAdvisoryLock(database, MIGRATION_LOCK, new AbortController().signal, work);
  } catch (error) {
    throw error instanceof NewerDatabaseError ? error : translate(error);
  }
}

/**
 * Tells whether exactly the known migrations are applied. A rebuild that holds its own lock needs
 * this answer, because its lock, the lock of migrations and MikroORM take three connections.
 */
async function isUpToDate(database: HeartbeatDatabase): Promise<boolean> {
  const { pending, unknown } = await compareMigrations((statement) =>
    database.transaction((sql) => sql(statement)),
  );
  return pending.length + unknown.length === 0;
}

/** How the migrations of a database differ from those of this version. */
export interface MigrationState {
  /** The migrations that the database lacks. */
  readonly pending: readonly string[];
  /** The migrations that this version lacks. */
  readonly unknown: readonly string[];
}

/** Compares the applied migrations with the known ones. @param read runs a select */
export async function compareMigrations(
  read: (statement: string) => Promise<{ name: string }[]>,
): Promise<MigrationState> {
  const applied = await read('select name from mikro_orm_migrations').catch((error: unknown) => {
    if (codeOf(error) === NO_SUCH_TABLE || messageOf(error).includes('no such table')) return [];
    throw error;
  });
  const known = knownMigrations();
  const names = new Set(applied.map(({ name }) => name));
  return {
    pending: [...known].filter((name) => !names.has(name)).toSorted(),
    unknown: [...names].filter((name) => !known.has(name)).toSorted(),
  };
}

function knownMigrations(): ReadonlySet<string> {
  return new Set(readdirSync(MIGRATIONS_FOLDER).map((file) => file.replace(/\.[jt]s$/, '')));
}

async function applyPending(orm: MikroORM, description: string): Promise<readonly string[]> {
  const executed = await orm.migrator.getExecuted();
  const known = knownMigrations();
  const unknown = executed.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new NewerDatabaseError(description, unknown);
  if (executed.length === known.size) return [];
  try {
    return (await asLongWork(() => orm.migrator.up())).map(({ name }) => name);
  } catch (error) {
    if (codeOf(error) !== NO_PRIVILEGE) throw error;
    throw new DatabaseUnavailableError(
      `${capitalise(description)} lacks ${known.size - executed.length} migrations, which this ` +
        `user may not apply (${messageOf(error)}). Run "npx allocation migrate" as the owner of ` +
        'the tables',
      { cause: error },
    );
  }
}

async function retryWhileBusy<T>(work: () => Promise<T>): Promise<T> {
  for (const giveUpAt = Date.now() + BUSY_DEADLINE_MS; ; ) {
    try {
      return await work();
    } catch (error) {
      const isRaceLost =
        codeOf(error).startsWith('SQLITE_BUSY') ||
        (error instanceof Error && error.message.includes('already exists'));
      if (!isRaceLost || Date.now() > giveUpAt) throw error;
      await sleep(BUSY_RETRY_MS);
    }
  }
}
