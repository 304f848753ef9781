// @module-tag db

import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  AllocationClient,
  type AllocationEvent,
  CommandSource,
  Deduplicator,
  eventsOf,
  HoldBack,
  RefusedCommandError,
} from '../../clients/typescript/src/index.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

/** Fails on the order `poison`. */
class BusWithBug extends MessageBus {
  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if ('orderid' in command && command.orderid === 'poison')
      throw new Error('The handler has a bug');
    return super.handle(command, unitOfWork);
  }
}

const shop = new CommandSource('/shop');

describeOnEachBroker('The TypeScript client', (environment) => {
  let running: RunningService;
  let client: AllocationClient;

  beforeEach(async () => {
    const settings = { ...environment, TOPIC_PARTITIONS: '4' };
    running = await RunningService.start(settings, { bus: new BusWithBug() });
    client = new AllocationClient({ url: running.service.http.url ?? '' });
    await client.sendAndWait(shop.createBatch({ reference: 'b1', sku: 'LAMP', quantity: 10 }));
    await client.sendAndWait(shop.createBatch({ reference: 'b2', sku: 'SOFA', quantity: 10 }));
  });

  afterEach(async () => running[Symbol.asyncDispose]());

  const order = (orderid: string, ...skus: readonly string[]) =>
    shop.allocateOrder({ orderid, lines: skus.map((sku) => ({ sku, qty: 1 })) }, { id: orderid });
  const eventTypes = (events: readonly AllocationEvent[]) => events.map(({ type }) => type);

  it('waits for the events of a command, and a repeat has the same ones', async () => {
    const first = await client.sendAndWait(order('o1', 'LAMP', 'NONE'));
    expect(first).toMatchObject({
      status: 'answered',
      id: 'o1',
      events: [
        { type: 'Allocated', sku: 'LAMP', causationId: 'o1', data: { batchref: 'b1' } },
        { type: 'CommandRejected', data: { reason: 'unknown-sku' } },
      ],
    });
    const repeat = await client.sendAndWait(order('o1', 'LAMP', 'NONE'));
    expect(repeat).toMatchObject({ status: 'answered', events: 'events' in first && first.events });
  });

  it('says why a command became a dead letter', async () => {
    const outcome = await client.sendAndWait(order('poison', 'LAMP'), { timeoutMs: 30_000 });
    const letter = { status: 'dead-letter', reason: 'handler-failed', advice: expect.any(String) };
    expect(outcome).toMatchObject(letter);
    expect(await client.commandStatus({ id: 'poison', source: '/shop' })).toMatchObject(letter);
  });

  it('finds the status of a command by its place, and none of a command never sent', async () => {
    const accepted = await client.send(order('o1', 'LAMP'));
    expect(await client.waitFor(accepted)).toMatchObject({ status: 'answered', id: 'o1' });
    expect(await client.commandStatus(order('never', 'LAMP'))).toEqual({ status: 'unknown' });
  });

  it('says what the service refuses', async () => {
    const wrong = { ...order('o1', 'LAMP'), data: { orderid: 'o1', sku: 'LAMP', qty: 0 } };
    const error = await client.send(wrong).catch((reason) => reason);
    expect(error).toBeInstanceOf(RefusedCommandError);
    expect(error).toMatchObject({ reason: 'invalid-data', fields: [{ field: 'qty' }] });
  });

  it('reads every event from the stream, from the beginning and behind an id', async () => {
    for (const orderid of ['o1', 'o2', 'o3']) await client.send(order(orderid, 'LAMP', 'SOFA'));
    await running.idle();
    const stop = new AbortController();
    const items = client.events({ lastEventId: '0/0', signal: stop.signal });
    const types: string[] = [];
    let middle = '';
    for await (const { lastEventId, events, hasMissed } of items) {
      expect(hasMissed).toBe(false);
      types.push(...eventTypes(events));
      if (types.length === 4) middle = lastEventId;
      if (types.length === 8) break;
    }
    expect(types.toSorted()).toEqual([
      ...Array(6).fill('Allocated'),
      ...Array(2).fill('BatchCreated'),
    ]);
    let rest = 0;
    for await (const { events } of client.events({ lastEventId: middle })) {
      rest += events.length;
      if (rest >= 4) break;
    }
    expect(rest).toBe(4);
  });

  it('brings the events of several partitions into the order of each product', async () => {
    const both = ['LAMP', 'SOFA'].map((sku) => ({ sku, qty: 1 }));
    for (let count = 0; count < 8; count += 1) {
      await running.send(
        { type: 'AllocateOrder', orderid: `a-${count}`, sku: 'LAMP', qty: 1 },
        { type: 'AllocateOrder', orderid: `order-${count * 7}`, lines: both },
        { type: 'DeallocateOrder', orderid: `a-${count}` },
      );
    }
    await running.idle();
    await eventually(() => expect(running.eventTypes().length).toBeGreaterThan(10));
    const partitions = Object.values(
      Object.groupBy(running.events, ({ partition }) => String(partition)),
    );
    expect(partitions.length).toBeGreaterThan(1);
    const [holdBack, deduplicator] = [new HoldBack(), new Deduplicator()];
    const handled: AllocationEvent[] = [];
    // One partition after the other, and all of it twice.
    for (const record of [...partitions, ...partitions].flatMap((each) => each ?? []))
      for (const event of eventsOf(record))
        await deduplicator.once(event, (each) => void handled.push(...holdBack.add(each).events));
    expect(holdBack.gaps()).toEqual([]);
    const sequencesOf = (events: readonly AllocationEvent[], sku: string) =>
      events.flatMap((event) => (event.sku === sku && event.sequence ? [event.sequence] : []));
    const met = partitions.flatMap((each) => each ?? []).flatMap(eventsOf);
    for (const sku of ['LAMP', 'SOFA']) {
      const sequences = sequencesOf(handled, sku);
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
      expect(sequences.length).toBe(sequencesOf(met, sku).length);
      expect(sequencesOf(met, sku)).not.toEqual(sequences);
    }
  });
});
