// @module-tag db

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { Product } from '../../../src/domain/product.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

describe('Opening a database', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-open-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    'mysql://localhost/x',
    'sqlite://x.db',
    'postgresql://localhost',
    'postgresql://u:p/w@host:port/x',
    'postgresql://h/x?sslmode=odd',
    'postgresql://h/x?sslmode=prefer',
    'postgresql://h/x#fragment',
  ])('refuses %s as a database url', async (url) => {
    await expect(Database.open(url)).rejects.toMatchObject({
      code: 'invalid-database-url',
      message: expect.stringContaining('Expected sqlite:///'),
    });
  });

  test('names the file that cannot be opened and the next step', async () => {
    const file = join(folder, 'no-such-folder', 'x.db');
    await expect(Database.open(`sqlite:///${file}`)).rejects.toThrow(
      new RegExp(`${file}.*Check that its directory exists`),
    );
  });

  test('refuses a file that is not a database', async () => {
    const file = join(folder, 'text.db');
    await writeFile(
      file,
      'This is a text, and a long one, so that nobody takes it for an empty file. '.repeat(100),
    );
    await expect(Database.open(`sqlite:///${file}`)).rejects.toThrow(/not a database/);
  });

  test('names the server that cannot be reached, and hides the password', async () => {
    const opening = Database.open('postgresql://me:secret@127.0.0.1:1/stock');
    await expect(opening).rejects.toThrow(
      /stock at 127.0.0.1:1 as user "me": .*ECONNREFUSED.*Check that the server runs/,
    );
    await expect(opening).rejects.not.toThrow(/secret/);
  });

  test('returns the same instance for the same file until the instance is closed', async () => {
    const database = await Database.open(`sqlite:///${folder}/one.db`);
    expect((await Database.open(`sqlite:///${folder}/./one.db`)) === database).toBe(true);
    await database.close();
    await database.close();
    const next = await Database.open(`sqlite:///${folder}/one.db`);
    expect(next === database).toBe(false);
    await next.close();
  });

  test('works for a database in memory', async () => {
    const database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    expect(await database.query('select * from products')).toEqual([]);
    await database.close();
  });

  test('turns on write-ahead log, full synchronisation and foreign keys in SQLite', async () => {
    const database = await Database.open(`sqlite:///${folder}/pragmas.db`);
    expect(await database.query('pragma journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(await database.query('pragma synchronous')).toEqual([{ synchronous: 2 }]);
    expect(await database.query('pragma foreign_keys')).toEqual([{ foreign_keys: 1 }]);
    await database.close();
  });
});

describeOnEachDatabase('A transaction', (current) => {
  const insert = 'insert into log_producers (transactional_id, epoch) values (?, ?)';

  test('commits when its work resolves', async () => {
    const database = await current.database();
    const result = await database.transaction(async (sql) => {
      expect(await sql.run(insert, ['a', 1])).toBe(1);
      return sql<{ epoch: number }>('select epoch from log_producers');
    });
    expect(result).toEqual([{ epoch: 1 }]);
    expect(await database.query('select transactional_id from log_producers')).toEqual([
      { transactional_id: 'a' },
    ]);
  });

  test('rolls back and rejects with the same error when its work rejects', async () => {
    const database = await current.database();
    const error = new Error('no');
    await expect(
      database.transaction(async (sql) => {
        await sql(insert, ['a', 1]);
        throw error;
      }),
    ).rejects.toBe(error);
    expect(await database.query('select * from log_producers')).toEqual([]);
  });

  test('does not commit after a failed statement even if its work goes on', async () => {
    const database = await current.database();
    await expect(
      database.transaction(async (sql) => {
        await sql(insert, ['a', 1]);
        await sql(insert, ['a', null]).catch(() => {});
      }),
    ).rejects.toThrow(/null/i);
    expect(await database.query('select * from log_producers')).toEqual([]);
  });

  test('passes any text unchanged', async () => {
    const database = await current.database();
    const texts = [
      "it's",
      '?',
      '??',
      '\\',
      '\\?',
      '$1',
      '"',
      '__proto__',
      '{"a":"\\u0000"}',
      'ü🚀',
      "\\'; drop table products; --",
    ];
    for (const text of texts)
      expect(await database.query(`select cast(? as text) as text`, [text])).toEqual([{ text }]);
  });

  test('keeps whole numbers up to 2^53 - 1', async () => {
    const database = await current.database();
    await database.query('insert into products (sku, version) values (?, ?)', [
      'a',
      Number.MAX_SAFE_INTEGER,
    ]);
    expect(await database.query('select version from products')).toEqual([
      { version: Number.MAX_SAFE_INTEGER },
    ]);
  });
});

describeOnEachDatabase('A session', (current) => {
  test('writes nothing and runs no afterCommit callback when its work rejects', async () => {
    const database = await current.database();
    let ran = false;
    const session = database.getSession(async (session) => {
      session.products.add(new Product('a'));
      session.afterCommit(() => {
        ran = true;
      });
      throw new Error('no');
    });
    await expect(session).rejects.toThrow('no');
    expect(await database.query('select * from products')).toEqual([]);
    expect(ran).toBe(false);
  });

  test('runs every afterCommit callback, and reports the ones that fail', async () => {
    const database = await current.database();
    const seen: unknown[] = [];
    const failure = new Error('mail server down');
    await database.getSession(
      async (session) => {
        session.products.add(new Product('a'));
        session.afterCommit(() => {
          throw failure;
        });
        session.afterCommit(
          async () => void seen.push(await database.query('select sku from products')),
        );
      },
      (error) => seen.push(error),
    );
    expect(seen).toEqual([failure, [{ sku: 'a' }]]);
  });

  test.runIf(current.dialect === 'postgresql')(
    'lets statements wait longer for a connection than its connect time-out',
    async () => {
      // Another spelling of the url gives this test a pool of its own.
      const url = new URL(current.url);
      url.searchParams.set('sslmode', 'disable');
      url.searchParams.set('sslkey', 'unused');
      const limited = await Database.open(url.href, {
        poolSize: 2,
        timeoutMs: 2_000,
      });
      const uses = Array.from({ length: 12 }, () => limited.query('select pg_sleep(0.5)'));
      await Promise.all(uses).finally(() => limited.close());
    },
  );
});
