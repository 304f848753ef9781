import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/core';
import type { AbstractSqlConnection } from '@mikro-orm/sqlite';
import { codeOf, NewerDatabaseError, translate } from './errors.ts';
import { type Dialect, MIGRATIONS_FOLDER } from './options.ts';

/*
 * Guarantee: the pending migrations are applied all or not at all, and of processes that start at once only one applies them.
 *
 * PostgreSQL: whoever comes second waits at an advisory lock, and then finds nothing pending.
 * SQLite: whoever comes second finds the file locked or changed under its transaction, rolls back, and looks again.
 * A crash at any point rolls back, and PostgreSQL lets the lock go with the connection.
 */

/** Any number that no other user of the database locks. */
const ADVISORY_LOCK = 7_205_759_403;
const BUSY_DEADLINE_MS = 10_000;
const BUSY_RETRY_MS = 50;

/** @throws {NewerDatabaseError} */
export async function migrate(orm: MikroORM, dialect: Dialect, description: string): Promise<readonly string[]> {
  const run = dialect === 'postgresql' ? alone : untilNotBusy;
  try {
    return await run(orm, () => applyPending(orm, description));
  } catch (error) {
    throw error instanceof NewerDatabaseError ? error : translate(error);
  }
}

async function applyPending(orm: MikroORM, description: string): Promise<readonly string[]> {
  const executed = await orm.migrator.getExecuted();
  const known = new Set(readdirSync(MIGRATIONS_FOLDER).map((file) => file.replace(/\.[jt]s$/, '')));
  const unknown = executed.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new NewerDatabaseError(description, unknown);
  return (await orm.migrator.up()).map(({ name }) => name);
}

async function alone<T>(orm: MikroORM, work: () => Promise<T>): Promise<T> {
  const connection = orm.em.getConnection() as AbstractSqlConnection;
  const client = connection.getClient().connection();
  return client.execute(async (context) => {
    await connection.execute(`select pg_advisory_lock(${ADVISORY_LOCK})`, [], 'all', context);
    try {
      return await work();
    } finally {
      await connection.execute(`select pg_advisory_unlock(${ADVISORY_LOCK})`, [], 'all', context);
    }
  });
}

async function untilNotBusy<T>(_orm: MikroORM, work: () => Promise<T>): Promise<T> {
  for (const giveUpAt = Date.now() + BUSY_DEADLINE_MS; ; ) {
    try {
      return await work();
    } catch (error) {
      const lostTheRace = codeOf(error).startsWith('SQLITE_BUSY') || (error instanceof Error && error.message.includes('already exists'));
      if (!lostTheRace || Date.now() > giveUpAt) throw error;
      await sleep(BUSY_RETRY_MS);
    }
  }
}
