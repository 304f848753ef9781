import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kysely, sql } from 'kysely';
import { expect, it, onTestFinished } from 'vitest';
import { BEGIN } from '../../../src/adapters/database/connection/sqlite-messages.ts';
import { sqliteThreadDialect } from '../../../src/adapters/database/connection/sqlite-thread.ts';

async function openDatabase(file = ':memory:') {
  const database = new Kysely<never>({
    dialect: sqliteThreadDialect({ file, busyTimeoutMs: 500 }),
  });
  onTestFinished(() => database.destroy());
  const connection = await database.getExecutor().provideConnection(async (each) => each);
  const run = (text: string) =>
    connection.executeQuery(sql.raw(text).compile(database)).then(({ rows }) => rows);
  return { run, connection, database };
}

it('statements sent without waiting run in the order of the calls', async () => {
  const { run } = await openDatabase();
  const answers = await Promise.all([
    run('create table numbers (n int)'),
    run('insert into numbers values (1)'),
    run('insert into numbers values (2)'),
    run('select n from numbers order by n'),
  ]);
  expect(answers.at(-1)).toEqual([{ n: 1 }, { n: 2 }]);
});

it('after a failed statement in a transaction, nothing runs until the rollback', async () => {
  const { run } = await openDatabase();
  await run('create table numbers (n int unique)');
  await run('begin immediate');
  const outcomes = await Promise.allSettled([
    run('insert into numbers values (1)'),
    // SQLite rolls back by itself in the same way when the disk is full.
    run('insert or rollback into numbers values (1)'),
    run('insert into numbers values (2)'),
    run('commit'),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
  ]);
  await run('rollback').catch(() => {});
  expect(await run('select n from numbers')).toEqual([]);
});

it('after a failed begin, nothing runs until the rollback', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'allocation-')), 'test.db');
  const { run } = await openDatabase(file);
  await run('create table numbers (n int)');
  const other = await openDatabase(file);
  await other.run(BEGIN);
  const begun = run(BEGIN);
  const behind = Promise.allSettled([run('insert into numbers values (1)'), run('commit')]);
  await expect(begun).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
  await other.run('commit');
  expect((await behind).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await run('rollback').catch(() => {});
  expect(await run('select n from numbers')).toEqual([]);
  await run('insert into numbers values (2)');
  expect(await run('select n from numbers')).toEqual([{ n: 2 }]);
});

it('an error keeps the code of SQLite', async () => {
  const { run } = await openDatabase();
  await run('create table numbers (n int unique)');
  await run('insert into numbers values (1)');
  await expect(run('insert into numbers values (1)')).rejects.toMatchObject({
    code: 'SQLITE_CONSTRAINT_UNIQUE',
  });
});

it('bytes that are part of a larger buffer are written and read unchanged', async () => {
  const { connection } = await openDatabase();
  const bytes = Buffer.from('before|these|after').subarray(7, 12);
  const { rows } = await connection.executeQuery({
    sql: 'select ? as bytes',
    parameters: [bytes],
  } as never);
  expect(rows).toEqual([{ bytes: Buffer.from('these') }]);
  expect(bytes.toString()).toBe('these');
});

it('the first use fails when the file cannot be opened', async () => {
  await expect(openDatabase('/nowhere/at/all.db')).rejects.toThrow(/directory does not exist/);
});

it('a process ends in order when it closes the database during a statement', async () => {
  const thread = new URL(
    '../../../src/adapters/database/connection/sqlite-thread.ts',
    import.meta.url,
  );
  const script = `
    import { Kysely, sql } from 'kysely';
    import { sqliteThreadDialect } from '${thread}';
    const dialect = sqliteThreadDialect({ file: ':memory:', busyTimeoutMs: 500 });
    const database = new Kysely({ dialect });
    await sql\`select 1\`.execute(database);
    void sql\`with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000000)
              select count(*) from n\`.execute(database);
    await new Promise(setImmediate);
    await database.destroy();
    console.log('closed');`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '--eval',
    script,
  ]);
  expect(stdout).toBe('closed\n');
});
