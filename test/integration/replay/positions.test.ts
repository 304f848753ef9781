// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { writeEventEnds } from '../../../src/adapters/database/replay/lane-positions.ts';
import { AutoRecovery } from '../../../src/replay/auto-recovery.ts';
import { Rebuild } from '../../../src/replay/rebuild.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import { verify } from '../../../src/replay/verify.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { unreadAudit } from '../../support/audit.ts';
import { eventually } from '../../support/eventually.ts';
import { over } from '../../support/over.ts';
import { RunningService } from '../../support/running-service.ts';

const watch = { advance: async () => {}, signal: new AbortController().signal };
const COMMANDS = 4;
const LANE = 'select next_offset from source_positions where next_offset > 0 and topic = ?';

describe('Replays at positions that are one apart', () => {
  let running: RunningService;
  let directory: string;
  let target: Database;

  beforeAll(async () => {
    running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: '1' });
    await running.send({
      type: 'CreateBatch',
      id: 'b',
      reference: 'lamp-1',
      sku: 'LAMP',
      quantity: 10,
      eta: null,
    });
    for (const orderid of ['o1', 'o2', 'o3'])
      await running.send({ type: 'AllocateOrder', id: orderid, orderid, sku: 'LAMP', qty: 2 });
    await running.idle();
  }, 60_000);

  afterAll(() => running[Symbol.asyncDispose]());

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    target = await Database.open(`sqlite:///${join(directory, 'rebuilt.db')}`);
    await target.runMigrations();
  });

  afterEach(async () => {
    await target.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Returns a broker that reports `offset` as the committed offset of the group. */
  const groupAt = (offset: number): Broker =>
    over(running.service.broker, { committedOffsets: async () => [offset] });
  /** Returns a broker whose retention has deleted the events before `beginning`. */
  const eventsFrom = (beginning: number): Broker => {
    const { broker } = running.service;
    return over(broker, {
      offsetRanges: async (topic) =>
        (await broker.offsetRanges(topic)).map((range) => ({ ...range, beginning })),
    });
  };
  const begin = async (broker: Broker, fromCopy = false) => {
    const plan = await planRebuild(running.service.broker, running.config, {
      until: null,
      fromCopy,
    });
    return Rebuild.into(target, broker, plan);
  };
  const check = async (database: Database, broker: Broker) => {
    const { eventsTopic, commandsTopic, groupId: group } = running.config;
    return (await verify(database, broker, { eventsTopic, commandsTopic, group }, watch)).counts;
  };

  it.each([
    [COMMANDS, 0],
    [COMMANDS - 1, 1],
    [1, COMMANDS - 1],
    [0, COMMANDS],
  ])('a rebuild for a group at %i leaves out %i answers', async (at, beyondThePositions) => {
    const plan = await planRebuild(groupAt(at), running.config, { until: null, fromCopy: false });
    const report = await (await Rebuild.into(target, running.service.broker, plan)).run(watch);
    expect(report).toMatchObject({ applied: at, skipped: { beyondThePositions } });
    expect(await target.query('select * from processed_commands')).toHaveLength(at);
    expect(await target.query(LANE, [running.config.commandsTopic])).toEqual(
      at === 0 ? [] : [{ next_offset: at }],
    );
  });

  it('a rebuild of an empty database needs the events from the first one on', async () => {
    await expect(begin(eventsFrom(1))).rejects.toThrow('0 begins at 1, and is needed from 0 on');
    expect((await (await begin(eventsFrom(0))).run(watch)).applied).toBe(COMMANDS);
  });

  it('a rebuild of a copy needs and reads only the events that the copy lacks', async () => {
    const { eventsTopic } = running.config;
    const logId = await running.service.broker.logId(eventsTopic);
    await target.transaction((sql) =>
      writeEventEnds(sql, [{ topic: eventsTopic, partition: 0, nextOffset: 2 }], logId),
    );
    await expect(begin(eventsFrom(3), true)).rejects.toThrow(
      '0 begins at 3, and is needed from 2 on',
    );
    expect((await begin(eventsFrom(2), true)).plan.ranges).toEqual([
      { partition: 0, beginning: 2, end: COMMANDS },
    ]);
  });

  it('a rebuild that goes on needs only the events behind its interruption', async () => {
    const interruption = new AbortController();
    const { broker } = running.service;
    const inPieces = over(broker, {
      read: (topic, ranges, take, signal) =>
        broker.read(
          topic,
          ranges,
          async ({ records, partition }) => {
            for (const record of records)
              await take({ partition, records: [record], nextOffset: record.offset + 1 });
          },
          signal,
        ),
    });
    let read = 0;
    const advance = async () => {
      read += 1;
      if (read < 2) return;
      interruption.abort(new Error('Ctrl-C'));
      throw interruption.signal.reason;
    };
    await expect(
      (await begin(inPieces)).run({ advance, signal: interruption.signal }),
    ).rejects.toThrow('Ctrl-C');
    const goingOn = await begin(eventsFrom(3));
    expect(await goingOn.done()).toBe(2);
    const again = await begin(eventsFrom(2));
    expect(await again.run(watch)).toMatchObject({ read: COMMANDS - 2, applied: COMMANDS - 2 });
    expect(await target.query('select * from processed_commands')).toHaveLength(COMMANDS);
  });

  it.each([
    [COMMANDS - 1, {}],
    [COMMANDS, {}],
    [COMMANDS + 1, { position: 1 }],
  ])(
    'verify compares the position of the database with a group at %i',
    async (at, counts) => {
      expect(await check(running.service.database, groupAt(at))).toEqual(counts);
    },
    60_000,
  );

  it('verify expects only the answers that the position of a database covers', async () => {
    const plan = await planRebuild(groupAt(COMMANDS - 1), running.config, {
      until: null,
      fromCopy: false,
    });
    await (await Rebuild.into(target, running.service.broker, plan)).run(watch);
    expect(await check(target, groupAt(COMMANDS - 1))).toEqual({});
    const move = (by: number) =>
      target.query(
        `update source_positions set next_offset = next_offset + ${by} where next_offset > 0 ` +
          `and topic = ?`,
        [running.config.commandsTopic],
      );
    await move(1);
    expect(await check(target, groupAt(COMMANDS - 1))).toMatchObject({
      'allocation-missing': 1,
      'answered-command-missing': 1,
    });
    await move(-2);
    expect(await check(target, groupAt(COMMANDS - 2))).toMatchObject({
      'allocation-unexpected': 1,
    });
  }, 120_000);

  it.each([
    [COMMANDS - 1, false],
    [COMMANDS, false],
    [COMMANDS + 1, true],
  ])(
    'AUTO_RECOVER with a database at 4 and a group at %i needs a rebuild: %s',
    async (at, isNeeded) => {
      const { database } = running.service;
      // The rebuild cannot be planned, so that the recovery only reports the need.
      const broker = over(groupAt(at), {
        offsetRanges: async () => Promise.reject(new TroubleError('no ranges')),
      });
      const recovery = new AutoRecovery({
        database,
        broker,
        config: running.config,
        log: pino({ level: 'silent' }),
        audit: unreadAudit(),
      });
      const closing = new AbortController();
      let isOver = false;
      const recovered = recovery.run(closing.signal).then(() => {
        isOver = true;
      });
      await eventually(() =>
        expect([isOver, recovery.problems().join()]).toEqual([
          !isNeeded,
          isNeeded ? expect.stringContaining('no ranges') : '',
        ]),
      );
      closing.abort();
      await recovered;
    },
  );
});
