import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/core';
import { holdingLock, MIGRATION_LOCK } from './advisory-lock.ts';
import type { BeatingHome } from './connection/heartbeat.ts';
import { type Dialect, MIGRATIONS_FOLDER } from './connection/options.ts';
import { asLongWork } from './connection/statement-timeout.ts';
import { codeOf, NewerDatabaseError, translate } from './errors.ts';

/*
 * Guarantee: the pending migrations are applied all or not at all, and of processes that start at once only one applies them.
 *
 * PostgreSQL: the second process waits at an advisory lock, and then finds nothing pending. The lock
 * is on a connection of its own.
 * SQLite: the second process finds the file locked, or changed under its transaction. It rolls back
 * and looks again.
 * A crash at any point rolls back, and PostgreSQL lets the lock go with its transaction.
 */

const BUSY_DEADLINE_MS = 10_000;
const BUSY_RETRY_MS = 50;

export interface Migrating {
  readonly orm: MikroORM;
  readonly dialect: Dialect;
  /** The database in words. */
  readonly description: string;
  readonly database: BeatingHome;
}

/** @throws {NewerDatabaseError} */
export async function migrate({
  orm,
  dialect,
  description,
  database,
}: Migrating): Promise<readonly string[]> {
  const work = () => applyPending(orm, description);
  try {
    if (dialect === 'sqlite') return await untilNotBusy(work);
    return await holdingLock(database, MIGRATION_LOCK, new AbortController().signal, work);
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

async function untilNotBusy<T>(work: () => Promise<T>): Promise<T> {
  for (const giveUpAt = Date.now() + BUSY_DEADLINE_MS; ; ) {
    try {
      return await work();
    } catch (error) {
      const lostTheRace =
        codeOf(error).startsWith('SQLITE_BUSY') ||
        (error instanceof Error && error.message.includes('already exists'));
      if (!lostTheRace || Date.now() > giveUpAt) throw error;
      await sleep(BUSY_RETRY_MS);
    }
  }
}
