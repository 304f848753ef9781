import { CompiledQuery, Kysely } from 'kysely';
import { type Dialect, sqliteFile } from '../connection/database-url.ts';
import { sqliteThreadDialect } from '../connection/sqlite-thread.ts';
import type { Database } from '../database.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';
import { PAGE_ROWS, type ServiceTable, TABLES } from './service-tables.ts';

/** How long each side may be idle while the other works. The service itself allows less. */
const IDLE_TIMEOUT_MS = 60_000;

export interface CopyOptions {
  /** Called with the number of rows of each page. An error that it throws ends the copy. */
  readonly onRows?: (count: number) => Promise<void>;
  /** Does more work in the target's transaction. */
  readonly finish?: (sql: Sql) => Promise<void>;
}

/** Returns how many rows `copyDatabase` copies. */
export async function countRows(source: Database): Promise<number> {
  const counts = Object.keys(TABLES).map((table) => `(select count(*) from ${table})`);
  const [row] = await source.longWork(() =>
    source.query<{ count: number }>(`select ${counts.join(' + ')} as count`),
  );
  return row?.count ?? 0;
}

/**
 * Copies the service's tables as they are at one moment: all of them, or none.
 * @param source other processes may go on writing to PostgreSQL; writers of a SQLite file wait
 * @param target another database, migrated and empty
 */
export function copyDatabase(
  source: Database,
  target: Database,
  options: CopyOptions = {},
): Promise<void> {
  return source.longWork(() => target.longWork(() => copyRows(source, target, options)));
}

async function copyRows(
  source: Database,
  target: Database,
  { onRows, finish }: CopyOptions,
): Promise<void> {
  await source.transaction(async (read) => {
    if (source.dialect === 'postgresql') {
      await read('set transaction isolation level repeatable read, read only');
      await allowIdling(read);
    }
    await target.transaction(async (write) => {
      if (target.dialect === 'postgresql') await allowIdling(write);
      for (const [name, table] of Object.entries(TABLES)) {
        for await (const rows of pagesOf(name, table, read, source.dialect)) {
          await insertRows(name, table, rows, write, target.dialect);
          await onRows?.(rows.length);
        }
      }
      if (target.dialect === 'postgresql') await setCounters(write);
      await finish?.(write);
    });
  });
}

/** How long the copy waits for another process that has locked the file. */
const BUSY_TIMEOUT_MS = 10_000;

/**
 * Copies a SQLite file, together with its embedded log, into a new file. The copy has a thread of
 * its own, because the lanes of a service would wait for the thread of the database.
 * @throws SQLite's error, when the file at `url` exists
 */
export async function copySqliteFile(source: Database, url: string): Promise<void> {
  const file = await fileOf(source);
  const statement = 'vacuum into ?';
  const into = sqliteFile(url);
  // Nothing else reaches a database in memory.
  if (file === '') return void (await source.query(statement, [into]));
  const options = { file, busyTimeoutMs: BUSY_TIMEOUT_MS };
  const copier = new Kysely({ dialect: sqliteThreadDialect(options) });
  try {
    await copier.executeQuery(CompiledQuery.raw(statement, [into]));
  } finally {
    await copier.destroy();
  }
}

/** Returns the path of the SQLite file. Empty: the database is in memory. */
export async function fileOf(source: Database): Promise<string> {
  const [main] = await source.query<{ file: string }>('pragma database_list');
  return main?.file ?? '';
}

async function* pagesOf(
  name: string,
  { columns, keyColumns }: ServiceTable,
  read: Sql,
  dialect: Dialect,
) {
  const names = Object.keys(columns);
  const hexadecimal = dialect === 'sqlite' ? 'hex(records)' : `encode(records, 'hex')`;
  const selected = names.map((column) =>
    column === 'records' ? `${hexadecimal} as records` : column,
  );
  const key = names.slice(0, keyColumns);
  let last: readonly (string | number)[] | null = null;
  do {
    const after: string = last
      ? `where (${key.join(', ')}) > (${key.map(() => '?').join(', ')})`
      : '';
    const rows: Record<string, string | number | null>[] = await read(
      `select ${selected.join(', ')} from ${name} ${after}
       order by ${key.join(', ')} limit ${PAGE_ROWS}`,
      last ?? [],
    );
    if (rows.length > 0) yield rows;
    const end = rows.length === PAGE_ROWS ? rows.at(-1) : undefined;
    last = end ? key.map((column) => end[column] as string | number) : null;
  } while (last);
}

async function insertRows(
  name: string,
  { columns }: ServiceTable,
  rows: readonly Readonly<Record<string, unknown>>[],
  write: Sql,
  dialect: Dialect,
): Promise<void> {
  const names = Object.keys(columns);
  const bytes = dialect === 'sqlite' ? 'unhex(records)' : `decode(records, 'hex')`;
  const selected = names.map((column) => (column === 'records' ? bytes : column));
  await write(
    `insert into ${name} (${names.join(', ')})
     select ${selected.join(', ')} from ${jsonRows(dialect, columns)} as copied`,
    [JSON.stringify(rows.map((row) => names.map((column) => row[column])))],
  );
}

/** Moves PostgreSQL's key counters behind the copied keys. */
async function setCounters(sql: Sql): Promise<void> {
  for (const table of ['batches', 'order_lines', 'allocations'])
    await sql(
      `select setval(pg_get_serial_sequence('${table}', 'id'),
         coalesce((select max(id) from ${table}), 0) + 1, false)`,
    );
}

/** Lets the transaction be idle while the other side works. */
async function allowIdling(sql: Sql): Promise<void> {
  await sql(`set local idle_in_transaction_session_timeout = ${IDLE_TIMEOUT_MS}`);
}
