import { REBUILD_LOCK } from '../advisory-lock.ts';
import type { Database } from '../database.ts';
import { isSqliteBusy } from '../errors.ts';

/**
 * Tells whether the database has answered no command. A service that started on the database and
 * was refused leaves positions at 0.
 */
export async function isEmpty(database: Database): Promise<boolean> {
  const [row] = await database.query<{ used: number | boolean }>(
    `select exists (select 1 from products) or exists (select 1 from processed_commands)
      or exists (select 1 from outbox)
      or exists (select 1 from source_positions where next_offset > 0) as used`,
  );
  return !row?.used;
}

/**
 * The pool closes a connection that was idle for 10 s. A connection that is idle for longer belongs
 * to a pooler, and still has the name of the process that used it last.
 */
const MAX_IDLE_S = 12;

/**
 * Tells whether another process uses the database now. A process that waits for its turn to rebuild
 * the database does not count.
 */
export async function isUsedByOthers(database: Database): Promise<boolean> {
  if (database.dialect === 'postgresql') {
    const [row] = await database.query<{ others: number }>(
      `select count(*) as others from pg_stat_activity
       where datname = current_database() and application_name like 'allocation%'
         and application_name <> current_setting('application_name')
         and (state is null or state <> 'idle' or state_change > now() - interval '${MAX_IDLE_S} s')
         and application_name not in (
           select application_name from pg_locks join pg_stat_activity as waiting using (pid)
           where locktype = 'advisory' and objid = ${REBUILD_LOCK} and not granted)`,
    );
    return Number(row?.others) > 0;
  }
  try {
    // SQLite leaves WAL mode only for the sole user of the file.
    const [row] = await database.query<{ journal_mode: string }>('pragma journal_mode = delete');
    await database.query('pragma journal_mode = wal');
    return row?.journal_mode === 'wal';
  } catch (error) {
    if (isSqliteBusy(error)) return true;
    throw error;
  }
}
