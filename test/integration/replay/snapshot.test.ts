// @module-tag db
// @module-tag slow

import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { copyDatabase } from '../../../src/adapters/database/replay/copy-database.ts';
import { writeMark } from '../../../src/adapters/database/replay/rebuild-mark.ts';
import { isEmpty } from '../../../src/adapters/database/replay/rebuild-target.ts';
import { Rebuild } from '../../../src/replay/rebuild.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import { findEventEnds, planSnapshot, takeSnapshot } from '../../../src/replay/snapshot.ts';
import { verify } from '../../../src/replay/verify.ts';
import { postgresDatabase } from '../../support/databases.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { describeOnEachBroker, RunningService } from '../../support/running-service.ts';

const watch = { advance: async () => {}, signal: new AbortController().signal };
const SKUS = 10;
const hasPostgres = inject('postgresUrl') !== null;

describeOnEachBroker('A snapshot', (environment) => {
  let directory: string;
  const toRemove: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    toRemove.push(() => rm(directory, { recursive: true, force: true }));
  });

  afterEach(async () => {
    for (const remove of toRemove.splice(0).toReversed()) await remove();
  });

  const start = async (more: Record<string, string> = {}) => {
    const running = await RunningService.start({ ...environment, ...more });
    toRemove.push(() => running[Symbol.asyncDispose]());
    return running;
  };
  const sqlite = (name = 'snapshot') => `sqlite:///${join(directory, `${name}.db`)}`;
  const postgres = async () => {
    const place = await postgresDatabase();
    toRemove.push(() => place.remove());
    return place.url;
  };
  const opened = async (url: string) => {
    const database = await Database.open(url);
    toRemove.push(() => database.close());
    return database;
  };
  const batches = (round: string) =>
    Array.from({ length: SKUS }, (_, sku) => {
      const reference = `batch-${round}-${sku}`;
      return {
        type: 'CreateBatch',
        id: reference,
        reference,
        sku: `SKU-${sku}`,
        quantity: 300,
        eta: null,
      };
    });
  const order = (name: string, index: number) => {
    const orderid = `order-${name}-${index}`;
    return { type: 'AllocateOrder', id: orderid, orderid, sku: `SKU-${index % SKUS}`, qty: 1 };
  };
  const orders = (name: string, count: number) =>
    Array.from({ length: count }, (_, index) => order(name, index));
  const countsOf = async ({ config, service }: RunningService, url: string) => {
    const { eventsTopic, commandsTopic, groupId: group } = config;
    return (
      await verify(await opened(url), service.broker, { eventsTopic, commandsTopic, group }, watch)
    ).counts;
  };
  const bringUpToDate = async ({ config, service }: RunningService, url: string) => {
    const plan = await planRebuild(service.broker, config, { until: null, fromCopy: true });
    await (await Rebuild.into(await opened(url), service.broker, plan)).run(watch);
  };
  const planned = async ({ config, service }: RunningService, into: string) =>
    planSnapshot(
      service.database,
      await findEventEnds(service.broker, config.eventsTopic),
      config.commandsTopic,
      into,
    );
  const snapshotWhileCommandsFlow = async (running: RunningService, into: string) => {
    let isOver = false;
    const taking = running
      .cliApart('replay', 'snapshot', '--into', into, '--json', '--execute')
      .finally(() => {
        isOver = true;
      });
    for (let round = 0; !isOver; round += 1) await running.send(...orders(`flow-${round}`, 20));
    const { code, stdout, stderr } = await taking;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
      result: 'copied',
      rows: expect.any(Number),
    });
    await running.send(...orders('after', 20));
    await running.idle();
  };

  const ways = [
    { from: 'SQLite', to: 'SQLite' },
    { from: 'SQLite', to: 'PostgreSQL' },
    { from: 'PostgreSQL', to: 'SQLite' },
    { from: 'PostgreSQL', to: 'PostgreSQL' },
  ].filter(
    ({ from, to }) =>
      (hasPostgres || from === to) && (from === 'SQLite' || 'KAFKA_BROKERS' in environment),
  );

  it.each(ways)(
    'from $from into $to under load shows one moment, and can catch up',
    async ({ from, to }) => {
      const running = await start(from === 'SQLite' ? {} : { DATABASE_URL: await postgres() });
      await running.send(...batches('first'));
      await running.idle();
      const into = to === 'SQLite' ? sqlite() : await postgres();
      await snapshotWhileCommandsFlow(running, into);
      const { position, ...others } = await countsOf(running, into);
      expect([position, others]).toEqual([expect.any(Number), {}]);
      await bringUpToDate(running, into);
      expect(await countsOf(running, into)).toEqual({});
    },
    90_000,
  );

  it.skipIf(!hasPostgres || !('KAFKA_BROKERS' in environment))(
    'in PostgreSQL is a database on which a service can go on',
    async () => {
      const running = await RunningService.start(environment);
      await running.send(...batches('first'), ...orders('first', 40));
      await running.idle();
      const into = await postgres();
      await takeSnapshot(running.service.database, await planned(running, into), watch);
      await running[Symbol.asyncDispose]();
      const { groupId, commandsTopic, eventsTopic, deadLettersTopic } = running.config;
      const names = {
        COMMANDS_TOPIC: commandsTopic,
        EVENTS_TOPIC: eventsTopic,
        DEAD_LETTERS_TOPIC: deadLettersTopic,
      };
      const successor = await start({ ...names, KAFKA_GROUP_ID: groupId, DATABASE_URL: into });
      await successor.send(...batches('second'), ...orders('second', 40));
      await successor.idle();
      expect(await countsOf(successor, into)).toEqual({});
      expect(successor.deadLetters).toEqual([]);
      expect(
        await successor.service.database.query('select count(*) as count from allocations'),
      ).toEqual([{ count: 80 }]);
    },
    90_000,
  );

  it.skipIf(!hasPostgres)('keeps the bytes of the outbox in every direction', async () => {
    const [first, second, third] = [
      await opened(sqlite('first')),
      await opened(await postgres()),
      await opened(sqlite('third')),
    ];
    for (const database of [first, second, third]) await database.runMigrations();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      await first.query(
        'insert into outbox (source_topic, source_partition, sequence, next_offset, ' +
          `records, rests_on) values ('commands', 0, ?, ?, ?, '[]')`,
        [sequence, sequence, bytes],
      );
    }
    await copyDatabase(first, second);
    await copyDatabase(second, third);
    const waiting = await third.query<{ records: Buffer }>(
      'select * from outbox order by sequence',
    );
    expect(waiting).toEqual(await first.query('select * from outbox order by sequence'));
    expect(waiting[0]?.records).toEqual(bytes);
  });

  it('leaves nothing when it is interrupted, and replaces an unfinished file', async () => {
    const running = await start();
    await running.send(...batches('first'));
    await running.idle();
    const { database } = running.service;
    const interrupted = async (into: string) => {
      const interruption = new AbortController();
      const advance = async () => interruption.abort(new Error('Ctrl-C'));
      const taking = takeSnapshot(database, await planned(running, into), {
        advance,
        signal: interruption.signal,
      });
      await expect(taking).rejects.toThrow('Ctrl-C');
    };
    await writeFile(join(directory, 'snapshot.db.unfinished'), 'half of a database');
    await interrupted(sqlite());
    expect(await readdir(directory)).toEqual([]);
    await takeSnapshot(database, await planned(running, sqlite()), watch);
    expect(await countsOf(running, sqlite())).toEqual({});
    if (!hasPostgres) return;
    const inPostgres = await postgres();
    await interrupted(inPostgres);
    expect(await isEmpty(await opened(inPostgres))).toBe(true);
  });

  it.skipIf(!hasPostgres)(
    'of PostgreSQL has nothing that was written after the snapshot began',
    async () => {
      const [source, target] = [await opened(await postgres()), await opened(sqlite())];
      for (const database of [source, target]) await database.runMigrations();
      await source.query(`insert into products (sku, version) values ('LAMP', 1)`);
      await copyDatabase(source, target, {
        onRows: async () => {
          await source.query(
            'insert into batches (reference, sku, quantity, eta, allocated_quantity) ' +
              `values ('late', 'LAMP', 1, null, 0) on conflict do nothing`,
          );
        },
      });
      expect(await target.query('select sku from products')).toEqual([{ sku: 'LAMP' }]);
      expect(await target.query('select reference from batches')).toEqual([]);
    },
  );

  it('shows its plan without --execute, and refuses a wrong target in one line', async () => {
    const running = await start();
    await running.send(...batches('first'));
    await running.idle();
    const { code, stdout } = await running.cli('replay', 'snapshot', '--into', sqlite('planned'));
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        joinPatterns(
          /source .*allocation\.db\ntarget .*planned\.db\nrows +\d+\n/,
          /positions .* at \d+[\s\S]*Nothing is done/,
        ),
      ),
    ]);
    await expect(access(join(directory, 'planned.db'))).rejects.toThrow();
    await writeFile(join(directory, 'old.db'), 'precious');
    const refusal = async (into: string) =>
      (await running.cli('replay', 'snapshot', '--into', into, '--execute')).stderr;
    expect(await refusal(sqlite('old'))).toMatch(
      /^error: The file .*old\.db exists: name a new file\n$/,
    );
    expect(await refusal(`sqlite:///${directory}/nowhere/new.db`)).toMatch(
      /^error: The directory .*nowhere does not exist: create it first\n$/,
    );
    if (!hasPostgres) return;
    const used = await postgres();
    await (await opened(used)).runMigrations();
    await writeMark(await opened(used), { state: 'past', plan: '{}' });
    expect(await refusal(used)).toMatch(
      /^error: the PostgreSQL database .* is not empty, or in use: name an empty database\n$/,
    );
  }, 60_000);
});
