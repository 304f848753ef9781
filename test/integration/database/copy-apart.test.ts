// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { copyApart } from '../../../src/adapters/database/replay/copy-apart.ts';
import { PAGE_ROWS } from '../../../src/adapters/database/replay/service-tables.ts';

/** More than two pages. */
const COMMANDS = 2 * PAGE_ROWS + 1;

describe('A copy of a SQLite database for a reader', () => {
  let directory: string;
  let opened: Database[];
  let source: Database;
  let target: Database;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-copy-'));
    opened = [];
    source = await migrated(`sqlite:///${join(directory, 'source.db')}`);
    target = await migrated(`sqlite:///${join(directory, 'target.db')}`);
    await fill(source);
  });
  afterEach(async () => {
    for (const database of opened) await database.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function migrated(url: string): Promise<Database> {
    const database = await Database.open(url);
    opened.push(database);
    await database.runMigrations();
    return database;
  }

  async function fill(database: Database): Promise<void> {
    await database.query(
      `insert into processed_commands (id, scope)
       with recursive n (i) as (select 1 union all select i + 1 from n where i < ${COMMANDS})
       select printf('command-%06d', i), 0 from n`,
    );
    await database.query("insert into products (sku, version) values ('LAMP', 7)");
    for (const sequence of [1, 2])
      await database.query(
        `insert into outbox (source_topic, source_partition, sequence, next_offset, records, rests_on)
         values ('commands', 0, ?, ?, ?, '[]')`,
        [sequence, sequence, Buffer.from([0, 255, sequence])],
      );
  }

  const allOf = (database: Database, table: string) =>
    database.query(`select * from ${table} order by 1, 2`);

  it('has all rows of the service, page by page', async () => {
    const pages: number[] = [];
    await copyApart(source, target, { onRows: async (rows) => void pages.push(rows) });
    for (const table of ['processed_commands', 'products', 'outbox'])
      expect(await allOf(target, table)).toEqual(await allOf(source, table));
    expect(pages).toEqual([1, PAGE_ROWS, PAGE_ROWS, 1, 2]);
  });

  it('shows one moment while the service goes on writing', async () => {
    await copyApart(source, target, {
      onRows: async () => {
        await source.transaction(async (sql) => {
          await sql('update products set version = version + 1');
          await sql("insert into processed_commands (id) values ('z' || random())");
          await sql('delete from outbox');
        });
      },
    });
    const [counted] = await target.query<{ count: number }>(
      'select count(*) as count from processed_commands',
    );
    expect(counted?.count).toBe(COMMANDS);
    expect(await allOf(target, 'products')).toMatchObject([{ sku: 'LAMP', version: 7 }]);
    expect(await allOf(target, 'outbox')).toHaveLength(2);
  });

  it('ends behind the page at which its caller throws', async () => {
    const pages: number[] = [];
    const copying = copyApart(source, target, {
      onRows: async (rows) => {
        pages.push(rows);
        if (pages.length === 2) throw new Error('Cancelled by ada');
      },
    });
    await expect(copying).rejects.toThrow('Cancelled by ada');
    expect(pages).toEqual([1, PAGE_ROWS]);
    await source.query('insert into products (sku, version) values (?, 1)', ['SOFA']);
  });

  it('has rows that refer to nothing, as somebody left them', async () => {
    await source.query('pragma foreign_keys = off');
    await source.query(
      `insert into batches (reference, sku, quantity, allocated_quantity)
       values ('b', 'NOWHERE', 1, 0)`,
    );
    await copyApart(source, target, {});
    expect(await allOf(target, 'batches')).toMatchObject([{ sku: 'NOWHERE' }]);
  });

  it('has the rows of a database in memory, too', async () => {
    const memory = await migrated('sqlite:///:memory:');
    await fill(memory);
    await copyApart(memory, target, {});
    expect(await allOf(target, 'outbox')).toEqual(await allOf(memory, 'outbox'));
  });
});
