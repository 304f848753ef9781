// @module-tag db

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { EmbeddedLog } from '../../../src/adapters/broker/embedded/log.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { claim } from '../../../src/adapters/database/lanes/processed-commands.ts';
import { SqlLaneStore } from '../../../src/adapters/database/lanes/sql-lane-store.ts';
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

  test('keep the outbox, the answered ids and the embedded log of the first schema', async () => {
    const database = await Database.open(current.url);
    await database.orm.migrator.up({ to: 'migration-20261123120000' });
    const headers = JSON.stringify([
      ['ce_id', 'ü', 'utf8'],
      ['many', 'YQ==', 'base64'],
      ['many', 'b', 'utf8'],
    ]);
    const outbox = 'insert into outbox values (?, ?, ?, ?, ?, ?, ?, ?, ?)';
    for (const [sequence, offset] of [
      [7, 4],
      [8, 4],
      [9, 6],
    ] as const) {
      await database.query(outbox, [
        'commands',
        1,
        sequence,
        offset,
        'events',
        'key',
        `value ${sequence}`,
        headers,
        'utf8',
      ]);
    }
    await database.query("insert into processed_commands values ('b'), ('a')");
    const log = 'insert into log_records values (?, ?, ?, ?, ?, ?, ?, ?)';
    for (const offset of [0, 1, 2])
      await database.query(log, [
        'events',
        2,
        offset,
        offset === 2 ? 60 : 50,
        null,
        'AA==',
        '[]',
        'base64',
      ]);

    await database.runMigrations();

    const store = new SqlLaneStore(database, () => {});
    const lane = { topic: 'commands', partition: 1 };
    const kept = { ce_id: Buffer.from('ü'), many: [Buffer.from('a'), Buffer.from('b')] };
    const record = (sequence: number, sourceOffset: number) => {
      return {
        sequence,
        sourceOffset,
        topic: 'events',
        key: Buffer.from('key'),
        value: Buffer.from(`value ${sequence}`),
        headers: kept,
        encoded: expect.any(Buffer),
      };
    };
    expect(await store.readOutbox(lane, 0, 100)).toEqual({
      records: [record(7, 4), record(8, 4)],
      nextOffset: 5,
      restsOn: [],
    });
    expect(await store.readOutbox(lane, 5, 100)).toEqual({
      records: [record(9, 6)],
      nextOffset: 7,
      restsOn: [],
    });
    expect(await database.query('select id from processed_commands order by id')).toEqual([
      { id: 'a' },
      { id: 'b' },
    ]);
    const records =
      current.dialect === 'sqlite' ? await EmbeddedLog.of(database).read('events', 2, 0) : [];
    expect(
      records.map(({ offset, timestampMs, key, value }) => [offset, timestampMs, key, value]),
    ).toEqual(
      records.length > 0
        ? [50, 50, 60].map((timestampMs, offset) => [offset, timestampMs, null, Buffer.from([0])])
        : [],
    );
  });

  test('keep known ids when commands get identities, and when they lose them again', async () => {
    const database = await Database.open(current.url);
    await database.orm.migrator.up({ to: 'migration-20261126150000' });
    await database.query("insert into processed_commands values ('answered')");
    const parked =
      'insert into parked_commands (id, subjects, behind, position, is_redriven) ' +
      'values (?, ?, ?, ?, ?)';
    for (const [position, id] of ['failed', 'failed/edited-1-a'].entries())
      await database.query(parked, [id, '[]', '[]', position, 1]);

    await database.runMigrations();
    await database.transaction((sql) =>
      claim(sql, current.dialect, ['/shop\t1', '\tcommands/0/0', 'plain']),
    );

    expect(
      await database.query('select id, scope from processed_commands where scope = 0'),
    ).toEqual([{ id: 'answered', scope: 0 }]);
    expect(
      await database.query('select id, identity, replaces from parked_commands order by position'),
    ).toEqual([
      { id: 'failed', identity: '', replaces: null },
      { id: 'failed/edited-1-a', identity: '', replaces: '\t\tfailed' },
    ]);

    await database.orm.migrator.down({ to: 'migration-20261126200000' });

    const ids = async (table: string) =>
      (await database.query<{ id: string }>(`select id from ${table} order by id`)).map(
        ({ id }) => id,
      );
    expect(await ids('processed_commands')).toEqual(['1', 'answered', 'plain']);
    expect(await ids('parked_commands')).toEqual(['failed', 'failed/edited-1-a']);
  });

  test('index the parked commands, and those that a former release parks later', async () => {
    const database = await Database.open(current.url);
    await database.orm.migrator.up({ to: 'migration-20261126210000' });
    const park = (id: string, ...subjects: string[]) =>
      database.query(
        'insert into parked_commands (id, subjects, behind, position, is_redriven) ' +
          'values (?, ?, ?, 1, 0)',
        [id, JSON.stringify(subjects), '[]'],
      );
    await park('before', 'order:1', 'sku:LAMP');
    await database.runMigrations();
    const indexed = async () =>
      (
        await database.query<{ key: string }>(
          `select id || ' ' || subject as key from parked_subjects order by 1`,
        )
      ).map(({ key }) => key);
    await park('after', 'sku:LAMP', 'sku:LAMP');
    expect(await indexed()).toEqual(['after sku:LAMP', 'before order:1', 'before sku:LAMP']);
    await database.query("update parked_commands set id = 'moved' where id = 'before'");
    await database.query("delete from parked_commands where id = 'after'");
    expect(await indexed()).toEqual(['moved order:1', 'moved sku:LAMP']);
  });

  test('keep two parked commands of one identity that a former release left', async () => {
    const database = await Database.open(current.url);
    await database.orm.migrator.up({ to: 'migration-20261126230000' });
    const parked =
      'insert into parked_commands (id, identity, subjects, behind, position, is_redriven) ' +
      'values (?, ?, ?, ?, ?, 0)';
    const ids = ['failed', 'failed/edited-1-a'];
    for (const [position, id] of ids.entries())
      await database.query(parked, [id, '/shop\tfailed', '["sku:LAMP"]', '[]', position]);
    const kept = async () => database.query('select id from parked_commands order by position');

    await database.runMigrations();
    expect(await kept()).toEqual(ids.map((id) => ({ id })));
    expect(await database.query('select id from parked_subjects order by id')).toEqual(
      ids.map((id) => ({ id })),
    );

    await database.orm.migrator.down({ to: 'migration-20261127044000' });
    expect(await kept()).toEqual(ids.map((id) => ({ id })));
  });

  test('of a newer version of the service are refused with the next step', async () => {
    const database = await current.database();
    await database.query(
      'insert into mikro_orm_migrations (name, executed_at) ' +
        "values ('migration-29991231000000', current_timestamp)",
    );
    await expect(database.runMigrations()).rejects.toMatchObject({
      code: 'newer-database',
      message: expect.stringMatching(
        /newer version of this service \(migration-29991231000000\).*migration:down/,
      ),
    });
  });

  test('are applied by only one of several processes that start at once', async () => {
    const script = `
      const { Database } = await import(${JSON.stringify(DATABASE_MODULE)});
      const database = await Database.open(${JSON.stringify(current.url)});
      const applied = await database.runMigrations();
      await database.close();
      process.stdout.write(String(applied.length));`;
    const start = () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    const outputs = await Promise.all(Array.from({ length: PROCESSES }, start));
    const applied = outputs.map(({ stdout }) => Number(stdout));
    expect(applied.filter((count) => count > 0)).toHaveLength(1);
    const database = await current.database();
    expect(await database.query('select * from mikro_orm_migrations')).toHaveLength(
      Math.max(...applied),
    );
  });
});
