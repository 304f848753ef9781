// @module-tag db
// @module-tag slow

import { afterEach, expect, it } from 'vitest';
import { type Release, releaseParked } from '../../src/adapters/database/lanes/parked-release.ts';
import { markerRecord } from '../../src/dead-letters/markers.ts';
import { plan } from '../../src/dead-letters/plan.ts';
import { replacementRecord } from '../../src/dead-letters/redrive-records.ts';
import { Redriver } from '../../src/dead-letters/redriver.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';
import { readDeadLetters, readTopic } from '../support/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { over } from '../support/over.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

/** Fails on the order `poison` until its bug is mended. */
class BusWithBug extends MessageBus {
  isMended = false;

  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if (!this.isMended && 'orderid' in command && command.orderid === 'poison')
      throw new Error('the handler has a bug');
    return super.handle(command, unitOfWork);
  }
}

describeOnEachBroker('when a handler fails on a command', (environment) => {
  let running: RunningService;
  let bus: BusWithBug;

  const start = async (more: Record<string, string> = {}) => {
    bus = new BusWithBug();
    running = await RunningService.start(
      { ...environment, TOPIC_PARTITIONS: '1', ...more },
      { bus },
    );
    for (const sku of ['LAMP', 'SOFA'])
      await running.send({ type: 'CreateBatch', id: sku, reference: sku, sku, quantity: 10 });
  };
  const order = (orderid: string, sku = 'LAMP', qty = 1) => ({
    type: 'AllocateOrder',
    id: orderid,
    orderid,
    sku,
    qty,
  });
  const reasons = () =>
    running.deadLetters
      .filter(({ value }) => value !== null)
      .map(({ headers }) => String(headers['dead-letter-reason']));
  const answeredIds = () => running.events.map(({ headers }) => String(headers.ce_causationid));

  /** Redrives an edited command as the CLI does, with a database or a broker that may fail. */
  const redriveEdited = async (
    command: object,
    tellDatabase: (release: Release) => Promise<void>,
    broker: Broker = running.service.broker,
  ) => {
    const open = await readDeadLetters(broker, running.config.deadLettersTopic);
    const letter = open.find(({ commandId }) => commandId === 'poison');
    if (!letter) throw new Error('There is no dead letter');
    const redriver = new Redriver({
      broker,
      config: running.config,
      release: tellDatabase,
      edit: { letter, replacement: replacementRecord(letter, JSON.stringify(command)) },
      by: 'operator@here',
      signal: new AbortController().signal,
      listener: { onResolved() {}, onFailedAgain() {}, onUnanswered() {} },
    });
    await redriver.carryOut(plan('redrive', [letter], open, 3));
  };

  afterEach(async () => running[Symbol.asyncDispose]());

  it('only its product is parked, and a redrive sends the parked ones in order', async () => {
    await start();
    await running.send(
      order('poison', 'LAMP', 8),
      order('second'),
      order('elsewhere', 'SOFA'),
      order('third', 'LAMP', 2),
    );
    await running.send({ type: 'DeallocateOrder', id: 'fourth', orderid: 'second' });
    await running.idle();
    await eventually(() => expect(answeredIds()).toEqual(['LAMP', 'SOFA', 'elsewhere']));
    await eventually(() =>
      expect(reasons()).toEqual([
        'handler-failed',
        'parked-behind',
        'parked-behind',
        'parked-behind',
      ]),
    );

    const preview = await running.cli('dead-letters', 'redrive', '--sku', 'LAMP');
    expect(preview).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nothing is done yet'),
    });
    expect((preview.stdout.match(/AllocateOrder|DeallocateOrder/g) ?? []).length).toBe(4);
    bus.isMended = true;
    expect(
      await running.cli('dead-letters', 'redrive', '--sku', 'LAMP', '--execute'),
    ).toMatchObject({ code: 0, stderr: '' });
    await running.idle();
    await eventually(() =>
      expect(answeredIds().slice(3)).toEqual(['poison', 'second', 'third', 'fourth']),
    );
    // The third came after the second, so it found too little stock.
    expect(running.eventTypes().slice(3)).toEqual([
      'Allocated',
      'Allocated',
      'OutOfStock',
      'Deallocated',
    ]);
    expect((await running.cli('dead-letters', 'list')).stdout).toBe('No dead letters\n');
    await running.send(order('last'));
    await eventually(() => expect(answeredIds()).toContain('last'));
  }, 90_000);

  it('a discard of the failed command sends the parked ones in order', async () => {
    await start();
    await running.send(
      order('poison', 'LAMP', 8),
      order('second', 'LAMP', 9),
      order('third', 'LAMP', 2),
    );
    await running.idle();
    await eventually(() => expect(reasons()).toHaveLength(3));
    const { code, stdout } = await running.cli(
      'dead-letters',
      'discard',
      '--reason',
      'handler-failed',
      '--execute',
      '--json',
    );
    expect([
      code,
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).result),
    ]).toEqual([0, ['redriven', 'redriven', 'discarded']]);
    await running.idle();
    await eventually(() => expect(answeredIds().slice(2)).toEqual(['second', 'third']));
    expect(running.eventTypes().slice(2)).toEqual(['Allocated', 'OutOfStock']);
  }, 90_000);

  it('a corrected command takes its place, with an id of its own', async () => {
    await start();
    await running.send(order('poison', 'LAMP', 8), order('second', 'LAMP', 9));
    await running.idle();
    await eventually(() => expect(reasons()).toHaveLength(2));
    const corrected = JSON.stringify({
      type: 'AllocateOrder',
      orderid: 'mended',
      sku: 'LAMP',
      qty: 8,
    });
    expect(
      await running.cli(
        'dead-letters',
        'redrive',
        '--id',
        'poison',
        '--edit',
        '{"type":"Nothing"}',
        '--execute',
      ),
    ).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing was sent'),
    });
    const preview = await running.cli(
      'dead-letters',
      'redrive',
      '--id',
      'poison',
      '--edit',
      corrected,
    );
    const inItsPlace = /poison\/edited-1-\w{8} is sent instead of poison:\n(.*)\n/;
    expect(preview.stdout.match(inItsPlace)?.[1]).toBe(corrected);
    expect(
      await running.cli(
        'dead-letters',
        'redrive',
        '--id',
        'poison',
        '--edit',
        corrected,
        '--execute',
      ),
    ).toMatchObject({ code: 0 });
    await eventually(() =>
      expect(answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-1-/),
        'second',
      ]),
    );
    expect(running.eventTypes().slice(2)).toEqual(['Allocated', 'OutOfStock']);
    expect(String(running.events[2]?.headers.ce_correlationid)).toBe('poison');
    const commands = await readTopic(running.service.broker, running.config.commandsTopic);
    const correction = commands.find(({ headers }) =>
      String(headers.ce_id).startsWith('poison/edited-1-'),
    );
    expect(String(correction?.headers.ce_originalid)).toBe('poison');
  }, 90_000);

  it('a corrected command that fails again is reported, and the parked ones wait', async () => {
    await start();
    await running.send(order('poison'), order('second'));
    await running.idle();
    await eventually(() => expect(reasons()).toHaveLength(2));
    const stillWrong = JSON.stringify(order('poison', 'LAMP', 2));
    const { code, stderr } = await running.cli(
      'dead-letters',
      'redrive',
      '--id',
      'poison',
      '--edit',
      stillWrong,
      '--execute',
    );
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error: poison\/edited-1\S* failed again: the handler has a bug/),
    ]);
    await eventually(() => expect(reasons().slice(2)).toEqual(['handler-failed', 'parked-behind']));
    bus.isMended = true;
    expect(await running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 0,
      stderr: '',
    });
    await eventually(() =>
      expect(answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-1/),
        'second',
      ]),
    );
  }, 90_000);

  it('what is parked behind an unanswered correction alone is sent after it', async () => {
    await start();
    await running.send(order('poison'));
    await running.idle();
    await eventually(() => expect(reasons()).toHaveLength(1));
    await redriveEdited(order('mended'), async (release) => {
      await releaseParked(running.service.database, release);
      await running.send(order('meanwhile'));
      await eventually(() => expect(reasons()).toEqual(['handler-failed', 'parked-behind']));
    });
    await eventually(() =>
      expect(answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-1/),
        'meanwhile',
      ]),
    );
    expect((await running.cli('dead-letters', 'list')).stdout).toBe('No dead letters\n');
  }, 90_000);

  it('after a crash before a correction is sent, a redrive or discard replaces it', async () => {
    await start();
    const crash = async () => {
      const told = redriveEdited(order('mended'), async (release) => {
        await releaseParked(running.service.database, release);
        throw new Error('crashed');
      });
      await expect(told).rejects.toThrow('crashed');
    };
    await running.send(order('poison'), order('second'));
    await running.idle();
    await eventually(() => expect(reasons()).toHaveLength(2));
    await crash();
    const itself = await running.cli('dead-letters', 'redrive', '--id', 'poison', '--execute');
    expect(itself).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('poison failed again'),
    });
    await crash();
    const better = JSON.stringify(order('better'));
    expect(
      await running.cli('dead-letters', 'redrive', '--id', 'poison', '--edit', better, '--execute'),
    ).toMatchObject({
      code: 0,
      stderr: '',
    });
    await eventually(() =>
      expect(answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-2/),
        'second',
      ]),
    );

    await running.send(order('poison'), order('third'));
    await eventually(() => expect(reasons()).toHaveLength(6));
    await crash();
    expect(
      await running.cli('dead-letters', 'discard', '--id', 'poison', '--execute'),
    ).toMatchObject({ code: 0, stderr: '' });
    await eventually(() => expect(answeredIds().slice(4)).toEqual(['third']));
  }, 90_000);

  it('after a crash before its marker, a correction sent again changes nothing', async () => {
    await start();
    await running.send(order('poison'));
    await running.idle();
    await eventually(() => expect(reasons()).toHaveLength(1));
    const { broker, database } = running.service;
    const publish: Broker['publish'] = (topic, records) =>
      topic === running.config.deadLettersTopic
        ? Promise.reject(new Error('crashed'))
        : broker.publish(topic, records);
    const tell = async (release: Release) => void (await releaseParked(database, release));
    for (let time = 0; time < 2; time++)
      await expect(redriveEdited(order('mended'), tell, over(broker, { publish }))).rejects.toThrow(
        'crashed',
      );
    await running.idle();
    await redriveEdited(order('better'), tell);
    await running.send(order('last'));
    await eventually(() => expect(answeredIds()).toContain('last'));
    expect(
      running.events.slice(2, -1).map(({ value }) => JSON.parse(String(value)).orderid),
    ).toEqual(['mended', 'better']);
  }, 90_000);

  it('a command that fails at each redrive is refused after the third time', async () => {
    await start();
    await running.send(order('poison'), order('second'));
    await running.idle();
    for (const time of [1, 2, 3]) {
      await eventually(() => expect(reasons()).toHaveLength(2 * time));
      const { code, stderr } = await running.cli(
        'dead-letters',
        'redrive',
        '--reason',
        'parked-behind',
        '--execute',
      );
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining('poison failed again: the handler has a bug'),
      ]);
    }
    await eventually(() => expect(reasons()).toHaveLength(8));
    expect(await running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--max-redrives 4'),
    });
    bus.isMended = true;
    expect(
      await running.cli('dead-letters', 'redrive', '--all', '--max-redrives', '4', '--execute'),
    ).toMatchObject({ code: 0 });
    await eventually(() => expect(answeredIds().slice(2)).toEqual(['poison', 'second']));
  }, 120_000);

  it('a redrive stops when parked commands wait for one that nobody answers', async () => {
    await start();
    await running.send(order('poison'), order('second'));
    await running.idle();
    const { broker } = running.service;
    // A killed redrive leaves this while the lane of the failed command waits for something else.
    const [poison] = await readDeadLetters(broker, running.config.deadLettersTopic);
    if (poison)
      await broker.publish(running.config.deadLettersTopic, [
        markerRecord(poison, 'redriven', 'somebody', new Date()),
      ]);
    expect(await running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('not answered'),
    });
    await eventually(() =>
      expect(reasons()).toEqual(['handler-failed', 'parked-behind', 'parked-behind']),
    );
  }, 90_000);

  it('at PARKED_LIMIT the lane waits, says why, and goes on after a redrive', async () => {
    await start({ PARKED_LIMIT: '2' });
    await running.send(
      order('poison'),
      order('2'),
      order('3'),
      order('elsewhere', 'SOFA'),
      order('4'),
      order('later', 'SOFA'),
    );
    await eventually(
      () =>
        expect(running.service.consumer.problems().join()).toContain(
          '2 commands about LAMP are parked behind poison',
        ),
      {
        withinMs: 20_000,
      },
    );
    await eventually(() => expect(answeredIds()).toEqual(['LAMP', 'SOFA', 'elsewhere']));
    bus.isMended = true;
    expect(
      await running.cli('dead-letters', 'redrive', '--sku', 'LAMP', '--execute'),
    ).toMatchObject({ code: 0, stderr: '' });
    await running.idle();
    await eventually(() =>
      expect(answeredIds().slice(3)).toEqual(['later', 'poison', '2', '3', '4']),
    );
  }, 90_000);
});
