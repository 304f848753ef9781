// @module-tag db
// @module-tag slow

import { afterEach, expect, it } from 'vitest';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import type { LanePosition } from '../../src/service-layer/lane-store.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';
import { eventually } from '../support/eventually.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

/** Fails on orders called `poison…`, as often as `failures` says. */
class FailingBus extends MessageBus {
  failures: number;

  constructor(failures: number) {
    super({ notifications: { outOfStock() {} } });
    this.failures = failures;
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if ('orderid' in command && command.orderid.startsWith('poison') && this.failures-- > 0)
      throw new Error('the handler has a bug');
    return super.handle(command, unitOfWork);
  }
}

describeOnEachBroker('when something goes wrong', (environment) => {
  let running: RunningService | undefined;
  const start = async (...[overrides]: [Parameters<typeof RunningService.start>[1]?]) => {
    // With one partition, commands are answered in the order in which they were sent.
    running = await RunningService.start({ ...environment, TOPIC_PARTITIONS: '1' }, overrides);
    return running;
  };
  const stock = { type: 'CreateBatch', reference: 'batch', sku: 'SKU', quantity: 100 };
  const order = (orderid: string) => ({ type: 'AllocateOrder', orderid, sku: 'SKU', qty: 1 });

  afterEach(async () => running?.[Symbol.asyncDispose]());

  it('a command whose handler keeps failing is a dead letter; others are answered', async () => {
    const run = await start({ bus: new FailingBus(Number.POSITIVE_INFINITY) });
    const poison = { type: 'AllocateOrder', orderid: 'poison', sku: 'OTHER', qty: 1 };
    await run.send(stock, order('before'), poison, order('after'));
    await run.idle();
    await eventually(() => expect(run.deadLetters).toHaveLength(1));
    const headers = Object.fromEntries(
      Object.entries(run.deadLetters[0]?.headers ?? {}).map(([name, value]) => [
        name,
        String(value),
      ]),
    );
    expect(headers).toMatchObject({
      'dead-letter-reason': 'handler-failed',
      'dead-letter-message': 'the handler has a bug',
      'dead-letter-attempts': '4',
    });
    expect(JSON.parse(String(run.deadLetters[0]?.value))).toEqual(poison);
    await eventually(() =>
      expect(
        run
          .eventTypes()
          .filter((type) => type !== 'CommandRejected')
          .sort(),
      ).toEqual(['Allocated', 'Allocated', 'BatchCreated']),
    );
  }, 60_000);

  it('a handler that fails once is tried again, and its command is answered', async () => {
    const run = await start({ bus: new FailingBus(1) });
    await run.send(stock);
    await run.idle();
    await run.send(order('poison'));
    await run.idle();
    await eventually(() => expect(run.eventTypes()).toEqual(['BatchCreated', 'Allocated']));
    expect(run.deadLetters).toEqual([]);
  }, 60_000);

  it('a notification that fails undoes no answer and holds up no command', async () => {
    const told: string[] = [];
    const notifications = {
      outOfStock: ({ orderid }: { orderid: string }) => {
        told.push(orderid);
        throw new Error('the mail server is down');
      },
    };
    const run = await start({ notifications });
    await run.send({ ...stock, quantity: 0 });
    await run.idle();
    await run.send(order('first'));
    await run.send(order('second'));
    await run.idle();
    await eventually(() =>
      expect(run.eventTypes()).toEqual(['BatchCreated', 'OutOfStock', 'OutOfStock']),
    );
    expect(told.sort()).toEqual(['first', 'second']);
  }, 60_000);

  it('a database that another process locks is waited for, and no command is lost', async () => {
    const run = await start();
    await run.send(stock);
    await run.idle();
    const unlock = await lockFromAnotherProcess(run.config.databaseUrl.replace('sqlite:///', ''));
    const sending = run.send(order('patient')).catch(() => null);
    const sent = await sending;
    if (sent)
      await eventually(() =>
        expect(run.log.some(({ msg }) => /^Partition \d+ stopped/.test(String(msg)))).toBe(true),
      );
    await unlock();
    // On the embedded log, the locked file could not take the command either.
    if (!sent) await run.send(order('patient'));
    await run.idle();
    await eventually(() => expect(run.eventTypes()).toEqual(['BatchCreated', 'Allocated']));
    expect(run.deadLetters).toEqual([]);
  }, 90_000);

  it('a database older than the topics is refused, and readiness and the log say why', async () => {
    const run = await start();
    await run.send(stock);
    await run.idle();
    const { database, consumer, http } = run.service;
    await database.query('delete from source_positions');
    await run.send(order('too late'));
    await eventually(
      () => expect(consumer.problems().join()).toContain('the database is older than the topics'),
      { withinMs: 30_000 },
    );
    const ready = await fetch(`${http.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('older than the topics');
    expect(run.eventTypes()).toEqual(['BatchCreated']);
    expect(run.log.some(({ msg }) => String(msg).includes('older than the topics'))).toBe(true);
  }, 60_000);

  it('a database that lacks answers of one lane is refused by the other lanes too', async () => {
    running = await RunningService.start({ ...environment, TOPIC_PARTITIONS: '2' });
    const run = running;
    const [place = ''] = await run.send(stock);
    await run.idle();
    const { database, consumer } = run.service;
    const partition = Number(place.split('/')[0]);
    // The missing answers may be about any product. The other lane lacks nothing of its own, and
    // this makes it open anew.
    await database.query(
      'update source_positions set next_offset = ' +
        'case when partition = ? then 0 else next_offset end, next_sequence = next_sequence + 1',
      [partition],
    );
    await run.send(
      ...Array.from({ length: 20 }, (_, index) => ({
        key: `key ${index}`,
        value: JSON.stringify(order(`order ${index}`)),
      })),
    );
    await eventually(() => expect(consumer.lanes()).toEqual({ working: 0, assigned: 2 }), {
      withinMs: 30_000,
    });
    await eventually(
      () =>
        expect(consumer.problems()).toEqual(
          [1, 2].map(() =>
            expect.stringContaining(`of ${run.config.commandsTopic}/${partition}, `),
          ),
        ),
      {
        withinMs: 30_000,
      },
    );
    expect(run.eventTypes()).toEqual(['BatchCreated']);
  }, 90_000);

  it('a database whose positions lie beyond the end of the topic is refused', async () => {
    const run = await start();
    await run.send(stock);
    await run.idle();
    const { database, consumer } = run.service;
    await database.query('update source_positions set next_offset = next_offset + 1000');
    await run.send(order('first'), order('second'));
    await eventually(
      () => expect(consumer.problems().join()).toContain('re-created or truncated'),
      { withinMs: 30_000 },
    );
    expect(run.eventTypes()).toEqual(['BatchCreated']);
  }, 60_000);

  it('a database whose positions belong to another log is refused', async () => {
    const run = await start();
    await run.send(stock);
    await run.idle();
    const { database, consumer } = run.service;
    await database.query(
      `update source_positions set log_id = 'another log', next_sequence = next_sequence + 1`,
    );
    await run.send(order('elsewhere'));
    await eventually(
      () => expect(consumer.problems().join()).toContain('in another log (another log)'),
      { withinMs: 30_000 },
    );
    expect(run.eventTypes()).toEqual(['BatchCreated']);
  }, 60_000);

  it('answers that were committed but not published go out when the lane opens again', async () => {
    const run = await start();
    await run.send(stock);
    await run.idle();
    const { database } = run.service;
    // A crash between the two commits leaves the answer in the outbox, and the position past it.
    const [lane] = await database.query<{
      topic: string;
      partition: number;
      next_offset: number;
      next_sequence: number;
    }>(
      'select topic, partition, next_offset, next_sequence from source_positions ' +
        'where next_offset > 0',
    );
    if (!lane) throw new Error('no lane has worked');
    const { topic, partition, next_offset: nextOffset, next_sequence: nextSequence } = lane;
    const store = new SqlLaneStore(database, () => {});
    const leave = (position: LanePosition, next: LanePosition) =>
      store.transaction({ topic, partition }, position, async () => {
        const headers = { ce_type: 'Left behind', ce_id: `left-${position.nextOffset}` };
        const record = { topic: run.config.eventsTopic, key: 'SKU', value: '{}', headers };
        return {
          next,
          outbox: [
            { ...record, sequence: position.nextSequence, sourceOffset: position.nextOffset },
          ],
          publishedBelowOffset: 0,
          restsOn: [],
        };
      });
    // The first transaction takes two commands. The second one is a duplicate without an answer.
    const { groupId: group } = run.config;
    const between = { nextOffset: nextOffset + 2, nextSequence: nextSequence + 1, group };
    await leave({ nextOffset, nextSequence, group }, between);
    await leave(between, { nextOffset: nextOffset + 3, nextSequence: nextSequence + 2, group });
    await run.send(
      ...Array.from({ length: 10 }, (_, index) => ({ ...stock, reference: `more-${index}` })),
    );
    await run.idle();
    await eventually(
      () => expect(run.eventTypes().filter((type) => type === 'Left behind')).toHaveLength(2),
      { withinMs: 30_000 },
    );
    expect(new Set(run.events.map(({ headers }) => String(headers.ce_id))).size).toBe(
      run.events.length,
    );
  }, 60_000);
});
