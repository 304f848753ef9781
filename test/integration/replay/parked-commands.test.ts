// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { releaseParked } from '../../../src/adapters/database/lanes/parked-release.ts';
import { type Action, plan as planResolution } from '../../../src/dead-letters/plan.ts';
import { replacementRecord } from '../../../src/dead-letters/redrive-records.ts';
import { Redriver } from '../../../src/dead-letters/redriver.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { Rebuild } from '../../../src/replay/rebuild.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { MessageBus } from '../../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../../src/service-layer/unit-of-work.ts';
import { readDeadLetters } from '../../support/dead-letters.ts';
import { over } from '../../support/over.ts';
import { RunningService } from '../../support/running-service.ts';

const HOUR_MS = 3_600_000;
const watch = { advance: async () => {}, signal: new AbortController().signal };

/** Fails on the orders whose id begins with `poison`. */
class BusWithBug extends MessageBus {
  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if ('orderid' in command && command.orderid.startsWith('poison'))
      throw new Error('the handler has a bug');
    return super.handle(command, unitOfWork);
  }
}

describe('A rebuild parks what was parked before', () => {
  let running: RunningService;
  let directory: string;
  let nowMs: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    nowMs = Date.now();
    running = await RunningService.start(
      { KAFKA_BROKERS: '', TOPIC_PARTITIONS: '1' },
      { bus: new BusWithBug(), clock: () => new Date(nowMs) },
    );
    await running.send({
      type: 'CreateBatch',
      id: 'lamp-1',
      reference: 'lamp-1',
      sku: 'LAMP',
      quantity: 10,
    });
    await running.send(order('poison'), order('behind'));
    await running.idle();
  });

  afterEach(async () => {
    await running[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const order = (orderid: string) => ({
    type: 'AllocateOrder',
    id: orderid,
    orderid,
    sku: 'LAMP',
    qty: 2,
  });
  /**
   * Resolves the dead letters as the tool does, without waiting for the answers.
   * @param correction the command that is sent in place of the failed command
   */
  const resolve = async (
    action: Action,
    database = running.service.database,
    broker: Broker = running.service.broker,
    correction?: object,
  ) => {
    const open = (await readDeadLetters(broker, running.config.deadLettersTopic)).filter(
      ({ resolution }) => resolution === null,
    );
    const failed = open.filter(({ behind }) => behind.length === 0);
    const [letter] = failed;
    const edit =
      letter && correction
        ? { letter, replacement: replacementRecord(letter, JSON.stringify(correction)) }
        : null;
    const isAnswered = over(broker, { committedOffsets: async () => [Number.MAX_SAFE_INTEGER] });
    const redriver = new Redriver({
      broker: isAnswered,
      config: running.config,
      release: async (release) => void (await releaseParked(database, release)),
      edit,
      by: 'operator@here',
      signal: new AbortController().signal,
      listener: { onResolved() {}, onFailedAgain() {}, onUnanswered() {} },
    });
    await redriver.carryOut(planResolution(action, failed, open, 9));
  };
  const parkedIn = async (database: Database) =>
    (
      await database.query<{ id: string; subjects: string; is_redriven: number }>(
        'select id, identity, subjects, behind, position, is_redriven from parked_commands ' +
          'order by position',
      )
    ).map((row) => ({ ...row, subjects: JSON.parse(row.subjects).sort() }));
  const parkedAfterRebuild = async (broker: Broker = running.service.broker) => {
    const database = await Database.open(`sqlite:///${join(directory, 'rebuilt.db')}`);
    try {
      const plan = await planRebuild(broker, running.config, { until: null, fromCopy: false });
      await (await Rebuild.into(database, broker, plan)).run(watch);
      return await parkedIn(database);
    } finally {
      await database.close();
    }
  };
  /** Stops the service, and then runs `work` on its database and log. */
  const withoutService = async (work: (database: Database, broker: Broker) => Promise<void>) => {
    await running.service.close();
    const database = await Database.open(running.config.databaseUrl);
    const broker = new EmbeddedBroker(database);
    try {
      await work(database, broker);
    } finally {
      await broker.close();
      await database.close();
    }
  };
  /** Expects that these commands are parked, in order, before and after a rebuild. */
  const expectSame = async (ids: readonly string[]) => {
    const before = await parkedIn(running.service.database);
    expect(before.map(({ id }) => id)).toEqual(ids);
    expect(await parkedAfterRebuild()).toEqual(before);
  };

  it('when a redrive failed again', async () => {
    await resolve('redrive');
    await running.idle();
    await expectSame(['poison', 'behind']);
  });

  it('when a redrive failed again on a node whose clock is behind', async () => {
    nowMs -= HOUR_MS;
    await resolve('redrive');
    await running.idle();
    nowMs -= HOUR_MS;
    await resolve('redrive');
    await running.idle();
    await expectSame(['poison', 'behind']);
  });

  it('when a correction failed too', async () => {
    await resolve('redrive', undefined, undefined, order('poison-too'));
    await running.idle();
    const before = await parkedIn(running.service.database);
    expect(before.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^poison\/edited-1-/),
      'behind',
    ]);
    expect(await parkedAfterRebuild()).toEqual(before);
  });

  it('when a command failed twice and was then redriven in vain', async () => {
    await running.send(order('poison'));
    await running.idle();
    await resolve('redrive');
    await running.idle();
    await expectSame(['poison', 'behind']);
  });

  it('when a correction was answered, so that nothing is parked any more', async () => {
    await resolve('redrive', undefined, undefined, order('mended'));
    await running.idle();
    await expectSame([]);
  });

  it('when the failed command was discarded, so that nothing is parked any more', async () => {
    await resolve('discard');
    await running.idle();
    await resolve('redrive');
    await running.idle();
    await expectSame([]);
  });

  it.each([
    ['a redriven command', undefined],
    ['a correction', order('mended')],
  ])('when %s has not reached its lane yet', async (_, correction) => {
    await withoutService(async (database, broker) => {
      await broker.publish(running.config.commandsTopic, [
        { key: null, value: JSON.stringify(order('new')), headers: {} },
      ]);
      await resolve('redrive', database, broker, correction);
      const before = await parkedIn(database);
      expect(before).toMatchObject([{ is_redriven: 1 }, { id: 'behind', is_redriven: 1 }]);
      expect(await parkedAfterRebuild(broker)).toEqual(before);
    });
  });
});
