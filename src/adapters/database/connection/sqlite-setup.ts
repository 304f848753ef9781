import { setTimeout as sleep } from 'node:timers/promises';
import { isSqliteBusy } from '../errors.ts';
import type { Sql } from '../transaction.ts';

/** How long to wait for another process that is setting up the same file. */
const SETUP_DEADLINE_MS = 10_000;
const SETUP_RETRY_MS = 50;
/**
 * 32 MB. One large transaction writes more than SQLite's default of 1,000 pages. With the default,
 * every such transaction would pay for a checkpoint.
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
export async function setUpSqlite(database: SqliteDatabase): Promise<void> {
  for (const giveUpAt = Date.now() + SETUP_DEADLINE_MS; ; ) {
    try {
      await database.query('pragma journal_mode = wal');
      await database.query('pragma synchronous = full');
      await database.query(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      // A write that changes nothing, because `begin immediate` also succeeds on a read-only file.
      await database.transaction((sql) => sql('pragma user_version = 0'));
      return;
    } catch (error) {
      if (!isSqliteBusy(error) || Date.now() > giveUpAt) throw error;
      await sleep(SETUP_RETRY_MS);
    }
  }
}
