import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/core';
import { MIGRATION_LOCK, withAdvisoryLock } from './advisory-lock.ts';
import type { Dialect } from './connection/database-url.ts';
import type { HeartbeatDatabase } from './connection/heartbeat.ts';
import { MIGRATIONS_FOLDER } from './connection/mikro-orm-options.ts';
import { asLongWork } from './connection/statement-timeout.ts';
import { codeOf, NewerDatabaseError, translate } from './errors.ts';

/*
 * Guarantee: all pending migrations are applied, or none. If several processes start at once, one
 * of them applies the migrations.
 *
 * PostgreSQL: the second process waits at an advisory lock, and then finds nothing pending. The
 * lock has its own connection.
 * SQLite: the second process finds the file locked, or changed under its transaction. It rolls
 * back and looks again.
 * A crash at any point rolls back, and PostgreSQL frees the lock together with its transaction.
 */

const BUSY_DEADLINE_MS = 10_000;
const BUSY_RETRY_MS = 50;

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
    return await withAdvisoryLock(database, MIGRATION_LOCK, new AbortController().signal, work);
  } catch (error) {
    throw error instanceof NewerDatabaseError ? error : translate(error);
  }
}

async function applyPending(orm: MikroORM, description: string): Promise<readonly string[]> {
  const executed = await orm.migrator.getExecuted();
  const known = new Set(readdirSync(MIGRATIONS_FOLDER).map((file) => file.replace(/\.[jt]s$/, '')));
  const unknown = executed.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new NewerDatabaseError(description, unknown);
  if (executed.length === known.size) return [];
  return (await asLongWork(() => orm.migrator.up())).map(({ name }) => name);
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
