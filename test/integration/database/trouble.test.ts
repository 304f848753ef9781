// @module-tag db
// @module-tag slow

import { expect, test } from 'vitest';
import type { Database, Sql } from '../../../src/adapters/database/database.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';
import { lockFromAnotherProcess } from '../../support/lock.ts';

const INSERT = 'insert into log_producers (transactional_id, epoch) values (?, ?)';
/** More rounds than the pool has connections, so that a leak of one each round would show. */
const ROUNDS = 12;

async function isUsable(database: Database): Promise<boolean> {
  await database.transaction((sql) => sql('delete from log_producers'));
  return (await database.query('select * from log_producers')).length === 0;
}

describeOnEachDatabase('A TroubleError', (current) => {
  const elsewhere = () => {};
  const onSqlite = current.dialect === 'sqlite' ? test : elsewhere;
  const onPostgres = current.dialect === 'postgresql' ? test : elsewhere;

  test('is thrown for a unique violation, because another lane was faster', async () => {
    const database = await current.database();
    await database.query(INSERT, ['a', 1]);
    await expect(database.transaction((sql) => sql(INSERT, ['a', 1]))).rejects.toThrow(
      TroubleError,
    );
    await expect(database.query(INSERT, ['a', 1])).rejects.toThrow(TroubleError);
    expect(await isUsable(database)).toBe(true);
  });

  test.each([
    ['an unknown table', 'select * from no_such_table'],
    ['a syntax error', 'selec 1'],
    ['a missing value', "insert into log_producers (transactional_id, epoch) values ('a', null)"],
    [
      'more columns than a table can have',
      `create table wide (${Array.from({ length: 2_001 }, (_, n) => `c${n} int`).join(', ')})`,
    ],
    ['a broken reference', 'insert into allocations (batch_id, orderline_id) values (1, 1)'],
  ])('is not thrown for %s, which would fail again', async (_, statement) => {
    const database = await current.database();
    const error = await database.transaction((sql) => sql(statement)).catch((error) => error);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(TroubleError);
    expect(await isUsable(database)).toBe(true);
  });

  onSqlite('is thrown for a file that another process has locked', async () => {
    const database = await current.database();
    const unlock = await lockFromAnotherProcess(current.url.replace('sqlite:///', ''));
    for (let round = 0; round < 2; round++) {
      const error = await database
        .transaction((sql) => sql(INSERT, ['a', 1]))
        .catch((error) => error);
      expect(error).toBeInstanceOf(TroubleError);
      expect(error.cause).toMatchObject({ code: 'SQLITE_BUSY' });
    }
    expect(await database.query('select * from log_producers')).toEqual([]);
    await unlock();
    expect(await isUsable(database)).toBe(true);
  });

  onSqlite('is thrown for a full disk', async () => {
    const database = await current.database();
    const [pages] = await database.query<{ page_count: number }>('pragma page_count');
    await database.query(`pragma max_page_count = ${(pages?.page_count ?? 0) + 2}`);
    const fill = async (sql: Sql) => {
      for (let n = 0; n < 1_000; n++) await sql(INSERT, [`${n}`.repeat(200), n]);
    };
    const error = await database.transaction(fill).catch((error) => error);
    expect(error).toBeInstanceOf(TroubleError);
    expect(error.cause).toMatchObject({ code: 'SQLITE_FULL' });
    expect(await database.query('select * from log_producers')).toEqual([]);
    await database.query('pragma max_page_count = 1000000');
    await database.transaction(fill);
    expect(await isUsable(database)).toBe(true);
  });

  onPostgres('is thrown for a connection that dies inside a transaction', async () => {
    const database = await current.database();
    for (let round = 0; round < ROUNDS; round++) {
      const dying = database.transaction(async (sql) => {
        await sql(INSERT, ['a', 1]);
        const [row] = await sql<{ pid: number }>('select pg_backend_pid() as pid');
        await database.query('select pg_terminate_backend(?)', [row?.pid ?? 0]);
        await sql('select 1');
      });
      await expect(dying).rejects.toThrow(TroubleError);
    }
    expect(await isUsable(database)).toBe(true);
  });

  onPostgres(
    'is thrown for connections that died unused, and only until they are replaced',
    async () => {
      const database = await current.database();
      const others =
        'select pg_terminate_backend(pid) from pg_stat_activity ' +
        'where datname = current_database() and pid <> pg_backend_pid()';
      for (let round = 0; round < ROUNDS; round++) {
        const uses = [1, 2, 3].map(() => database.transaction((sql) => sql('select 1')));
        for (const use of await Promise.allSettled([...uses, database.query(others)])) {
          if (use.status === 'rejected') expect(use.reason).toBeInstanceOf(TroubleError);
        }
      }
      await expect.poll(() => isUsable(database).catch(() => false)).toBe(true);
    },
  );

  onPostgres(
    'is thrown for a transaction whose process slept, and others go on meanwhile',
    async () => {
      const database = await current.database();
      await database.query(INSERT, ['a', 1]);
      const locked = Promise.withResolvers<void>();
      const woken = Promise.withResolvers<void>();
      const asleep = database.transaction(async (sql) => {
        await sql('update log_producers set epoch = 2');
        locked.resolve();
        await woken.promise;
        await sql('update log_producers set epoch = 3');
      });
      await locked.promise;
      await database.query('update log_producers set epoch = 4');
      woken.resolve();
      await expect(asleep).rejects.toThrow(TroubleError);
      expect(await database.query('select epoch from log_producers')).toEqual([{ epoch: 4 }]);
      expect(await isUsable(database)).toBe(true);
    },
  );

  onPostgres(
    'is thrown for the waiter before a sleeping transaction loses its own locks',
    async () => {
      const database = await current.database();
      await database.query(INSERT, ['a', 1]);
      await database.query(INSERT, ['b', 1]);
      const update = 'update log_producers set epoch = epoch + 1 where transactional_id = ?';
      const hasLocked = Promise.withResolvers<void>();
      const woken = Promise.withResolvers<void>();
      const asleep = database.transaction(async (sql) => {
        await sql(update, ['a']);
        hasLocked.resolve();
        await woken.promise;
      });
      await hasLocked.promise;
      const waiting = database.transaction((sql) =>
        Promise.all([sql(update, ['b']), sql(update, ['a'])]),
      );
      await expect(waiting).rejects.toThrow(TroubleError);
      await database.query(update, ['b']);
      woken.resolve();
      await asleep;
      expect(
        await database.query('select epoch from log_producers order by transactional_id'),
      ).toEqual([{ epoch: 2 }, { epoch: 2 }]);
      expect(await isUsable(database)).toBe(true);
    },
  );

  onPostgres('is thrown for one of two transactions in a deadlock', async () => {
    const database = await current.database();
    await database.query(INSERT, ['a', 1]);
    await database.query(INSERT, ['b', 1]);
    const both = Promise.withResolvers<void>();
    let holding = 0;
    const lock = (first: string, second: string) =>
      database.transaction(async (sql) => {
        await sql('update log_producers set epoch = 2 where transactional_id = ?', [first]);
        if (++holding === 2) both.resolve();
        await both.promise;
        await sql('update log_producers set epoch = 2 where transactional_id = ?', [second]);
      });
    const outcomes = await Promise.allSettled([lock('a', 'b'), lock('b', 'a')]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(TroubleError);
  });
});
