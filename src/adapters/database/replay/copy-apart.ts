import type { Database } from '../database.ts';
import { type CopyOptions, copyDatabase, fileOf } from './copy-database.ts';
import { PAGE_ROWS, type ServiceTable, TABLES } from './service-tables.ts';

/**
 * Copies the service's tables as they are at one moment, and leaves the source's users alone.
 *
 * The target's thread reads the SQLite file of the source, so no lane and no writer waits. The copy
 * leaves out the embedded log. If `onRows` throws, the copy ends after that page, and the target is
 * useless.
 *
 * @param source other processes may go on writing to it
 * @param target another database, a SQLite file, migrated and empty
 */
export async function copyApart(
  source: Database,
  target: Database,
  { onRows }: Pick<CopyOptions, 'onRows'>,
): Promise<void> {
  const file = source.dialect === 'sqlite' ? await fileOf(source) : '';
  // Only its own connection reaches a database in memory.
  if (file === '') return copyDatabase(source, target, { ...(onRows && { onRows }) });
  for (const setting of SETTINGS) await target.query(`pragma ${setting}`);
  await target.query('attach database ? as source', [file]);
  // The first page fixes the moment. A usual transaction would lock out the source's writers.
  await target.query('begin');
  try {
    for (const [name, table] of Object.entries(TABLES))
      for await (const rows of copiedPages(name, table, target)) await onRows?.(rows);
    await target.query('commit');
  } catch (error) {
    await target.query('rollback').catch(() => {});
    throw error;
  }
  await target.query('detach database source');
}

/**
 * A copy that fails is thrown away, so the target needs no journal and no fsync. Foreign keys are
 * off, because rows that somebody has changed by hand may refer to nothing.
 */
const SETTINGS = ['journal_mode = memory', 'synchronous = off', 'foreign_keys = off'];

/** Copies the rows of a table in the order of their keys. Yields how many rows each page has. */
async function* copiedPages(name: string, { columns, keyColumns }: ServiceTable, target: Database) {
  const names = Object.keys(columns);
  const keys = names.slice(0, keyColumns);
  const key = keys.join(', ');
  let last: (string | number)[] = [];
  for (let count = PAGE_ROWS; count === PAGE_ROWS; ) {
    const after = last.length > 0 ? `where (${key}) > (${keys.map(() => '?').join(', ')})` : '';
    await target.query(
      `insert into main.${name} (${names.join(', ')})
       select ${names.join(', ')} from source.${name} ${after} order by ${key} limit ${PAGE_ROWS}`,
      last,
    );
    const [newest] = await target.query<Record<string, string | number> & { rows: number }>(
      `select changes() as rows, ${key} from main.${name}
       order by ${keys.map((column) => `${column} desc`).join(', ')} limit 1`,
    );
    if (newest === undefined) return;
    count = newest.rows;
    last = keys.map((column) => newest[column] ?? '');
    yield count;
  }
}
