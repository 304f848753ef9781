// @module-tag db
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { readMark } from '../../../src/adapters/database/replay/rebuild-mark.ts';
import { bootstrap } from '../../../src/bootstrap.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import type { Bound } from '../../../src/replay/bounds.ts';
import { Rebuild } from '../../../src/replay/rebuild.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import { verify } from '../../../src/replay/verify.ts';
import { MessageBus } from '../../../src/service-layer/message-bus.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import type { UnitOfWork } from '../../../src/service-layer/unit-of-work.ts';
import { publishChanged } from '../../support/changed-events.ts';
import { eventually } from '../../support/eventually.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { batch, order } from '../../support/plain-commands.ts';
import { describeOnEachBroker, RunningService } from '../../support/running-service.ts';

const never = new AbortController().signal;
const watch = { advance: async () => {}, signal: never };

/** Fails on the order `poison`. */
class BusWithBug extends MessageBus {
  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if ('orderid' in command && command.orderid === 'poison')
      throw new Error('the handler has a bug');
    return super.handle(command, unitOfWork);
  }
}

describeOnEachBroker('A rebuild', (environment) => {
  let running: RunningService;
  let directory: string;
  const opened: Database[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    running = await RunningService.start(environment, { bus: new BusWithBug() });
    await running.send(batch('lamp-1', 'LAMP'), batch('sofa-1', 'SOFA'));
    await running.idle();
    await running.send(order('o1', 'LAMP'), order('o2', 'SOFA'));
    await running.idle();
  });

  afterEach(async () => {
    for (const database of opened.splice(0)) await database.close();
    await running[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const urlOf = (name: string) => `sqlite:///${join(directory, `${name}.db`)}`;
  const target = async (name = 'rebuilt') => {
    const database = await Database.open(urlOf(name));
    opened.push(database);
    return database;
  };
  const begin = async (
    database: Database,
    more: {
      readonly until?: Bound;
      readonly fromCopy?: boolean;
      readonly eventsTopic?: string;
    } = {},
  ) => {
    const { until = null, fromCopy = false, eventsTopic = running.config.eventsTopic } = more;
    const plan = await planRebuild(
      running.service.broker,
      { ...running.config, eventsTopic },
      { until, fromCopy },
    );
    return Rebuild.into(database, running.service.broker, plan);
  };
  const rebuild = async (...how: Parameters<typeof begin>) => (await begin(...how)).run(watch);
  const countsOf = async (database: Database) => {
    const { eventsTopic, commandsTopic, groupId: group } = running.config;
    return (
      await verify(database, running.service.broker, { eventsTopic, commandsTopic, group }, watch)
    ).counts;
  };
  const isUntouched = async (database: Database) => {
    const tables = await database.query<{ name: string }>(
      `select name from sqlite_master where name like 'replay_%'`,
    );
    return [
      tables,
      await database.query('select * from rebuilds'),
      await database.query('select * from processed_commands'),
    ];
  };
  const eventsIn = (change: (events: LogRecord[]) => LogRecord[]) =>
    publishChanged(running, change);

  it('makes the stock, the positions and the answered commands of the service', async () => {
    const database = await target();
    const skipped = { known: 0, repeated: 0, beyondThePositions: 0, later: 0 };
    expect(await rebuild(database)).toEqual({
      read: 4,
      applied: 4,
      skipped,
      foreign: { count: 0, first: [] },
    });
    const tables = [
      'select topic, partition, next_offset, log_id from source_positions ' +
        "where next_offset > 0 and topic like 'commands%' order by partition",
      'select id from processed_commands order by id',
    ];
    for (const statement of tables)
      expect(await database.query(statement)).toEqual(
        await running.service.database.query(statement),
      );
    expect(await countsOf(database)).toEqual({});
    expect(await isUntouched(database)).toMatchObject([[], [], [{}, {}, {}, {}]]);
  });

  it('knows the commands that were answered without an event', async () => {
    await running.send({ ...batch('lamp-1', 'LAMP'), id: 'silent' });
    await running.idle();
    await running.send({
      type: 'ChangeBatchQuantity',
      id: 'grown',
      reference: 'lamp-1',
      quantity: 20,
    });
    await running.idle();
    const database = await target();
    await rebuild(database);
    const answered = 'select id, scope from processed_commands order by id';
    expect(await database.query(answered)).toEqual(await running.service.database.query(answered));
  });

  it('does not count a failed command as answered, nor its repeat', async () => {
    await running.send(order('poison', 'LAMP'), order('poison', 'LAMP'));
    await running.idle();
    const database = await target();
    await rebuild(database);
    expect(await database.query(`select id from processed_commands where id = 'poison'`)).toEqual(
      [],
    );
  });

  it('parks the commands that were parked', async () => {
    await running.send(order('poison', 'LAMP'));
    await running.idle();
    await running.send(order('behind', 'LAMP'), {
      type: 'ChangeBatchQuantity',
      id: 'shrunk',
      reference: 'lamp-1',
      quantity: 9,
    });
    await running.idle();
    const database = await target();
    await rebuild(database);
    const parked = async (of: Database) =>
      (await of.query<{ subjects: string }>('select * from parked_commands order by position')).map(
        (row) => ({
          ...row,
          subjects: JSON.parse(row.subjects).sort(),
        }),
      );
    expect(await parked(database)).toHaveLength(3);
    expect(await parked(database)).toEqual(await parked(running.service.database));
  });

  it('goes on with its first plan where it was interrupted', async () => {
    const interruption = new AbortController();
    const first = await begin(await target());
    await expect(
      first.run({
        signal: interruption.signal,
        advance: async () => interruption.abort(new Error('Ctrl-C')),
      }),
    ).rejects.toThrow('Ctrl-C');
    await running.send(order('o3', 'LAMP'));
    await running.idle();
    const second = await begin(await target());
    expect(await second.done()).toBeGreaterThan(0);
    expect((await second.run(watch)).read).toBeLessThan(4);
    expect(await countsOf(await target())).toMatchObject({ position: 1 });
  });

  it('brings an older copy up to date', async () => {
    const database = await target();
    await rebuild(database);
    await running.send(order('o3', 'LAMP'), { type: 'DeallocateOrder', id: 'gone', orderid: 'o1' });
    await running.idle();
    await expect(rebuild(database)).rejects.toThrow('The target is not empty');
    // The copy knows how far it has read the topic, so that only the missing events are read.
    expect(await rebuild(database, { fromCopy: true })).toMatchObject({ read: 2, applied: 2 });
    await database.query('delete from source_positions where topic = ?', [
      running.config.eventsTopic,
    ]);
    expect(await rebuild(database, { fromCopy: true })).toMatchObject({
      read: 6,
      applied: 0,
      skipped: { known: 6 },
    });
    expect(await countsOf(database)).toEqual({});
  });

  it('keeps the position of a lane in a copy that is ahead of the group', async () => {
    const database = await target();
    await rebuild(database);
    await database.query(
      'update source_positions set next_offset = next_offset + 1 where next_offset > 0',
    );
    const positions = 'select partition, next_offset from source_positions order by partition';
    const ahead = await database.query(positions);
    await rebuild(database, { fromCopy: true });
    expect(await database.query(positions)).toEqual(ahead);
  });

  it('builds a state of the past, on which no service starts', async () => {
    await eventually(() => expect(running.events).toHaveLength(4));
    const until = { timeMs: Math.max(...running.events.map(({ timestampMs }) => timestampMs)) + 1 };
    await eventually(() => expect(Date.now()).toBeGreaterThan(until.timeMs));
    await running.send(order('later', 'LAMP'));
    await running.idle();
    const database = await target();
    expect(await rebuild(database, { until })).toMatchObject({ applied: 4, skipped: { later: 1 } });
    expect(await database.query('select sku, version from products order by sku')).toEqual([
      { sku: 'LAMP', version: 2 },
      { sku: 'SOFA', version: 2 },
    ]);
    expect(await readMark(database)).toMatchObject({ state: 'past' });
    await expect(
      bootstrap({ ...running.config, databaseUrl: urlOf('rebuilt') }, pino({ level: 'silent' })),
    ).rejects.toThrow('shows the past');
    await expect(rebuild(database)).rejects.toThrow('shows the past');
  });

  it('makes a database on which another service goes on with the same log', async () => {
    expect(
      await running.cli('replay', 'rebuild', '--into', urlOf('rebuilt'), '--execute'),
    ).toMatchObject({ code: 0 });
    await running.service.close();
    const successor = await bootstrap(
      { ...running.config, databaseUrl: urlOf('rebuilt') },
      pino({ level: 'silent' }),
    );
    try {
      await successor.start();
      await successor.broker.publish(running.config.commandsTopic, [
        { key: 'LAMP', value: JSON.stringify(order('o3', 'LAMP')), headers: {} },
      ]);
      const lines = () =>
        successor.database.query('select orderid from order_lines order by orderid');
      await eventually(
        async () =>
          expect(await lines()).toEqual(['o1', 'o2', 'o3'].map((orderid) => ({ orderid }))),
        { withinMs: 30_000 },
      );
    } finally {
      await successor.close();
    }
  });

  it('refuses a topic with missing events, and changes nothing', async () => {
    const database = await target();
    const eventsTopic = await eventsIn((events) => events.slice(1));
    await expect(rebuild(database, { eventsTopic })).rejects.toThrow(
      /^Events are missing in events-\w+ \((LAMP|SOFA) from ce_sequence 1 on\)/,
    );
    expect(await isUntouched(database)).toEqual([[], [], []]);
  });

  it('refuses a topic with a foreign record, names the place, and changes nothing', async () => {
    const database = await target();
    const eventsTopic = await eventsIn((events) => [
      ...events,
      { key: null, value: 'hello', headers: {} },
    ]);
    await expect(rebuild(database, { eventsTopic })).rejects.toThrow(
      `${eventsTopic}/0/4 is no event of this service: `,
    );
    expect(await isUntouched(database)).toEqual([[], [], []]);
  });

  it('refuses a target that a running service uses', async () => {
    const other = await RunningService.start(environment);
    try {
      const url = other.config.databaseUrl;
      const args = ['replay', 'rebuild', '--into', url, '--execute', '--from-copy'];
      expect(await running.cliApart(...args)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('in use by another process'),
      });
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });

  it('refuses a future moment, an unknown moment and an unknown url in one line', async () => {
    const into = ['replay', 'rebuild', '--execute', '--into', urlOf('never')];
    expect(await running.cli(...into, '--until', '2999-01-01')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: 2999-01-01 lies in the future.*\n$/),
    });
    expect(await running.cli(...into, '--until', 'yesterday')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: yesterday is neither.*\n$/),
    });
    expect(await running.cli(...into, '--until', '5', '--from-copy')).toMatchObject({ code: 2 });
    expect(
      await running.cli('replay', 'rebuild', '--into', 'mysql://x', '--execute'),
    ).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('neither sqlite: nor postgresql:'),
    });
  });

  it('shows its plan, and does nothing without --execute', async () => {
    const { code, stdout } = await running.cli('replay', 'rebuild', '--into', urlOf('planned'));
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        joinPatterns(
          /target .*planned\.db[\s\S]*goes on at .*commands-[\s\S]*/,
          /Nothing is done\. To do it, add --execute/,
        ),
      ),
    ]);
    expect(await isUntouched(await target('planned'))).toEqual([[], [], []]);
  });
});
