import { setTimeout as sleep } from 'node:timers/promises';
import { isSqliteBusy } from '../errors.ts';
import type { Sql } from '../transaction.ts';

/** How long to wait for another process that is setting up the same file. */
const SETUP_DEADLINE_MS = 10_000;
const SETUP_RETRY_MS = 50;
/**
 * SQLite's default is 1,000 pages. A large transaction writes more, and would pay for a checkpoint
 * each time. 8,000 pages are 32 MB.
 */
const CHECKPOINT_PAGES = 8_000;

/** The part of `Database` that sets up a file. */
interface SqliteDatabase {
  query(statement: string): Promise<unknown>;
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}

/**
 * Puts the SQLite file into WAL mode, makes its commits durable, and checks that it is writable.
 * Waits for a process that is setting up the same file.
 */
export function setUpSqlite(database: SqliteDatabase): Promise<void> {
  return retryWhileBusy(async () => {
    await database.query('pragma journal_mode = wal');
    await setUpConnection(database);
    // This write changes nothing, but fails on a read-only file. `begin immediate` succeeds there.
    await database.transaction((sql) => sql('pragma user_version = 0'));
  });
}

/** Sets the connection up as `setUpSqlite` does, but writes nothing to the file. */
export function setUpExistingSqlite(database: SqliteDatabase): Promise<void> {
  return retryWhileBusy(async () => {
    await setUpConnection(database);
    // This reads the file, and so fails unless the file is a database.
    await database.query('select count(*) from sqlite_master');
  });
}

async function setUpConnection(database: SqliteDatabase): Promise<void> {
  await database.query('pragma synchronous = full');
  await database.query(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
}

async function retryWhileBusy(work: () => Promise<void>): Promise<void> {
  for (const giveUpAt = Date.now() + SETUP_DEADLINE_MS; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!isSqliteBusy(error) || Date.now() > giveUpAt) throw error;
      await sleep(SETUP_RETRY_MS);
    }
  }
}
