import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

const DATABASE_MODULE = new URL('../../../src/adapters/database/database.ts', import.meta.url).href;
const PROCESSES = 3;

describeOnEachDatabase('Migrations', (current) => {
  test('are applied once', async () => {
    const database = await Database.open(current.url);
    const applied = await database.runMigrations();
    expect(applied.length).toBeGreaterThan(0);
    expect(await database.runMigrations()).toEqual([]);
  });

  test('go up, down and up again', async () => {
    const { orm } = await current.database();
    const count = (await orm.migrator.getExecuted()).length;
    expect(await orm.migrator.down({ to: 0 })).toHaveLength(count);
    await expect(orm.em.fork().getConnection().execute('select * from products')).rejects.toThrow();
    expect(await orm.migrator.up()).toHaveLength(count);
    expect(await orm.em.fork().getConnection().execute('select * from products')).toEqual([]);
  });

  test('make the tables that the mapping describes', async () => {
    const { orm } = await current.database();
    expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
  });

  test('of a newer version of the service are refused, with what to do', async () => {
    const database = await current.database();
    await database.query("insert into mikro_orm_migrations (name, executed_at) values ('migration-29991231000000', current_timestamp)");
    await expect(database.runMigrations()).rejects.toMatchObject({
      code: 'newer-database',
      message: expect.stringMatching(/newer version of this service \(migration-29991231000000\).*migration:down/),
    });
  });

  test('are applied by one of several processes that start at once', async () => {
    const script = `
      const { Database } = await import(${JSON.stringify(DATABASE_MODULE)});
      const database = await Database.open(${JSON.stringify(current.url)});
      const applied = await database.runMigrations();
      await database.close();
      process.stdout.write(String(applied.length));`;
    const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    const outputs = await Promise.all(Array.from({ length: PROCESSES }, start));
    const applied = outputs.map(({ stdout }) => Number(stdout));
    expect(applied.filter((count) => count > 0)).toHaveLength(1);
    const database = await current.database();
    expect(await database.query('select * from mikro_orm_migrations')).toHaveLength(Math.max(...applied));
  });
});
