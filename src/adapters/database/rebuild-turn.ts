import { setTimeout as sleep } from 'node:timers/promises';
import type { AbstractSqlConnection } from '@mikro-orm/sqlite';
import type { Database } from './database.ts';
import { translated } from './errors.ts';

const CANCEL_EVERY_MS = 100;

/** Any number below 2^31 that no other user of the database locks. */
export const REBUILD_LOCK = 720_575_941;

/**
 * Of services that find at once that their database must be rebuilt, one works and the others wait for their turn.
 *
 * PostgreSQL: an advisory lock on a connection of its own; it goes with the connection, whatever ends the process.
 * SQLite: nobody waits; whoever is not alone on the file is refused (`isUsedByOthers`).
 *
 * @throws {TroubleError} the connection is lost: others may have their turn now
 * @throws the signal's reason, when it aborts while this one waits
 */
export async function inTurn<T>(database: Database, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (database.dialect === 'sqlite') return work();
  const connection = database.orm.em.getConnection() as AbstractSqlConnection;
  await translated(() => connection.ensureConnection());
  const pinned = connection.getClient().connection();
  return pinned.execute(async (context) => {
    const run = <Row>(statement: string): Promise<Row[]> => translated(() => connection.execute(statement, [], 'all', context));
    const [own] = await run<{ pid: number }>('select pg_backend_pid() as pid');
    let isWaiting = true;
    const stopWaiting = async () => {
      // Again, in case it came before the statement did.
      for (; isWaiting; await sleep(CANCEL_EVERY_MS)) await database.query('select pg_cancel_backend(?)', [own?.pid ?? 0]).catch(() => {});
    };
    signal.throwIfAborted();
    signal.addEventListener('abort', stopWaiting, { once: true });
    try {
      await run(`select pg_advisory_lock(${REBUILD_LOCK})`);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      isWaiting = false;
      signal.removeEventListener('abort', stopWaiting);
    }
    try {
      return await work();
    } finally {
      await run(`select pg_advisory_unlock(${REBUILD_LOCK})`);
    }
  });
}
