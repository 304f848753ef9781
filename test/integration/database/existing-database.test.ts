// @module-tag db

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

describeOnEachDatabase('Opening an existing database', (current) => {
  it('reads it', async () => {
    await (await current.database()).close();
    const database = await Database.openExisting(current.url);
    expect(await database.query('select count(*) as count from products')).toEqual([{ count: 0 }]);
  });
});

describe('Opening a file that must exist', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-existing-'));
    file = join(folder, 'stock.db');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('creates none', async () => {
    await expect(Database.openExisting(`sqlite:///${file}`)).rejects.toMatchObject({
      code: 'no-database',
      message: `There is no database sqlite:///${file}`,
    });
    expect(existsSync(file)).toBe(false);
  });

  it('leaves an empty file empty', async () => {
    await writeFile(file, '');
    await (await Database.openExisting(`sqlite:///${file}`)).close();
    expect(await readFile(file, 'utf8')).toBe('');
  });

  it('refuses and keeps a file that is no database', async () => {
    const text = 'This file is a text, and no database. '.repeat(100);
    await writeFile(file, text);
    await expect(Database.openExisting(`sqlite:///${file}`)).rejects.toThrow('not a database');
    expect(await readFile(file, 'utf8')).toBe(text);
  });
});

describe.skipIf(inject('postgresUrl') === null)('Opening a name that PostgreSQL lacks', () => {
  const server = () => inject('postgresUrl') ?? '';

  it('creates no database, and shows the url without its password', async () => {
    const url = new URL(server());
    url.pathname = '/mistyped_name';
    url.password ||= 'postgres';
    await expect(Database.openExisting(url.href)).rejects.toMatchObject({
      code: 'no-database',
      message: `There is no database ${url.protocol}//${url.host}/mistyped_name`,
    });
    const database = await Database.open(server());
    try {
      const found = "select datname from pg_database where datname = 'mistyped_name'";
      expect(await database.query(found)).toEqual([]);
    } finally {
      await database.close();
    }
  });
});
