import type { Database } from './database.ts';
import { jsonRows } from './json-rows.ts';
import { sqliteFile } from './options.ts';
import type { Sql } from './transaction.ts';

/** Of each table what its rows are made of; bytes travel in hexadecimal. In an order in which one that names another comes after it. */
const TABLES = {
  products: { sku: 'text', version: 'bigint', source_topic: 'text', source_partition: 'bigint', next_offset: 'bigint' },
  batches: { id: 'bigint', reference: 'text', sku: 'text', quantity: 'bigint', eta: 'text', allocated_quantity: 'bigint' },
  order_lines: { id: 'bigint', orderid: 'text', sku: 'text', qty: 'bigint' },
  allocations: { id: 'bigint', batch_id: 'bigint', orderline_id: 'bigint' },
  source_positions: { topic: 'text', partition: 'bigint', next_offset: 'bigint', next_sequence: 'bigint', log_id: 'text' },
  processed_commands: { id: 'text' },
  parked_commands: { id: 'text', subjects: 'text', behind: 'text', position: 'bigint', is_redriven: 'bigint' },
  outbox: {
    source_topic: 'text',
    source_partition: 'bigint',
    sequence: 'bigint',
    next_offset: 'bigint',
    records: 'text',
    rests_on: 'text',
  },
} as const;

const PAGE_ROWS = 5_000;

/**
 * Copies what the service keeps in PostgreSQL, as it is at one moment, while others go on writing.
 * @param target another database, migrated and empty
 */
export async function copyDatabase(source: Database, target: Database): Promise<void> {
  await source.transaction(async (read) => {
    await read('set transaction isolation level repeatable read, read only');
    for (const [table, columns] of Object.entries(TABLES)) await copyTable(read, target, table, columns);
  });
  if (target.dialect === 'sqlite') return;
  // The keys were copied, and their counters stand at 1.
  for (const table of ['batches', 'order_lines', 'allocations']) {
    await target.query(`select setval(pg_get_serial_sequence('${table}', 'id'), coalesce((select max(id) from ${table}), 0) + 1, false)`);
  }
}

/** The same for a SQLite file, with the embedded log in it: a new file. @throws when there is a file of that name */
export async function copySqliteFile(source: Database, url: string): Promise<void> {
  await source.query('vacuum into ?', [sqliteFile(url)]);
}

async function copyTable(read: Sql, target: Database, table: string, columns: Readonly<Record<string, 'text' | 'bigint'>>): Promise<void> {
  const names = Object.keys(columns);
  const selected = names.map((name) => (name === 'records' ? `encode(records, 'hex') as records` : name));
  await read(`declare ${table}_rows no scroll cursor for select ${selected.join(', ')} from ${table}`);
  for (;;) {
    const rows = await read<Record<string, unknown>>(`fetch ${PAGE_ROWS} from ${table}_rows`);
    if (rows.length === 0) break;
    const inserted = names.map((name) =>
      name !== 'records' ? name : target.dialect === 'sqlite' ? 'unhex(records)' : `decode(records, 'hex')`,
    );
    await target.query(
      `insert into ${table} (${names.join(', ')}) select ${inserted.join(', ')} from ${jsonRows(target.dialect, columns)} as copied`,
      [JSON.stringify(rows.map((row) => names.map((name) => row[name])))],
    );
  }
  await read(`close ${table}_rows`);
}
