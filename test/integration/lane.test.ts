// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Broker } from '../../src/service-layer/broker.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { LaneStore } from '../../src/service-layer/lane-store.ts';
import { eventually } from '../support/eventually.ts';
import { LaneRun } from '../support/lane-run.ts';
import { over } from '../support/over.ts';

describe('A lane', () => {
  let run: LaneRun;
  let broker: Broker;
  let store: LaneStore;

  beforeEach(async () => {
    run = await LaneRun.open();
    ({ broker, store } = run);
  });

  afterEach(() => run.close());

  /** Finds a key for each of the two partitions. */
  async function keysOf(topic: string): Promise<readonly [string, string]> {
    await broker.ensureTopics(
      [{ name: `${topic}-keys`, partitions: 2, maxMessageBytes: 1_000_000 }],
      true,
    );
    const candidates = Array.from({ length: 20 }, (_, index) => `key-${index}`);
    const places = await broker.publish(
      `${topic}-keys`,
      candidates.map((key) => ({ key, value: '', headers: {} })),
    );
    const keyOf = (partition: number) =>
      candidates[places.findIndex((place) => place.partition === partition)] ?? '';
    return [keyOf(0), keyOf(1)];
  }

  it('leaves no row in the outbox when it closes in order', async () => {
    await run.start({ broker, store });
    await run.send('first');
    await eventually(() => expect(run.events).toHaveLength(1));
    await run.consumer.close();
    expect(await run.database.query('select * from outbox')).toEqual([]);
  });

  it('settles the transaction that a failed publication left open when it closes', async () => {
    const failure = Promise.withResolvers<void>();
    const settled: number[] = [];
    let opened = 0;
    const failing = over(broker, {
      openProducer: async (id, signal) => {
        const producer = await broker.openProducer(id, signal);
        opened += 1;
        const nth = opened;
        return over(producer, {
          publish: async () => {
            failure.resolve();
            throw new TroubleError('Kafka does not answer');
          },
          settle: async () => void settled.push(nth),
        });
      },
    });
    await run.start({ broker: failing, store });
    await run.send('a');
    await failure.promise;
    await run.consumer.close();
    expect(settled).toContain(opened);
  });

  it('closes while its producer opens', async () => {
    const opening = Promise.withResolvers<void>();
    const openProducer: Broker['openProducer'] = (_, signal) => {
      opening.resolve();
      return new Promise((_resolve, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason)),
      );
    };
    await run.start({ broker: over(broker, { openProducer }), store });
    await opening.promise;
    await run.consumer.close();
  });

  it('closes while its full queue waits for another lane that does not publish', async () => {
    await broker.ensureTopics([{ name: 'pairs', partitions: 2, maxMessageBytes: 1_000_000 }], true);
    const brokerFailure = Promise.withResolvers<void>();
    const stuckBroker = over(broker, {
      openProducer: async (id) => {
        const producer = await broker.openProducer(id);
        if (!id.endsWith('-0')) return producer;
        return over(producer, {
          publish: (records, position) =>
            records.length > 0 ? brokerFailure.promise : producer.publish(records, position),
        });
      },
    });
    await run.start({ broker: stuckBroker, store }, 'pairs');
    const keys = await keysOf('pairs');
    const batch = {
      id: 'first',
      type: 'CreateBatch',
      reference: 'batch',
      sku: 'LAMP',
      quantity: 1,
      eta: null,
    };
    await broker.publish('pairs', [{ key: keys[0], value: JSON.stringify(batch), headers: {} }]);
    await eventually(async () => expect((await store.readPositions('pairs')).get(0)).toBe(1));
    for (let start = 0; start < 12_000; start += 2_000) {
      const orders = Array.from({ length: 2_000 }, (_, index) => ({
        type: 'AllocateOrder',
        orderid: `${start + index}`,
        sku: 'LAMP',
        qty: 2,
      }));
      await broker.publish(
        'pairs',
        orders.map((order) => ({ key: keys[1], value: JSON.stringify(order), headers: {} })),
      );
    }
    await eventually(
      async () => expect((await store.readPositions('pairs')).get(1)).toBeGreaterThan(4_000),
      { withinMs: 30_000 },
    );
    const closing = run.consumer.close();
    brokerFailure.reject(new TroubleError('the connection to the broker broke'));
    await closing;
    expect(run.events).toEqual([]);
  }, 60_000);

  it('makes the other lanes check the database when it refuses the database', async () => {
    await broker.ensureTopics([{ name: 'pairs', partitions: 2, maxMessageBytes: 1_000_000 }], true);
    await run.start({ broker, store }, 'pairs');
    const keys = await keysOf('pairs');
    const sendBatch = (key: string, reference: string) => {
      const batch = {
        id: reference,
        type: 'CreateBatch',
        reference,
        sku: reference,
        quantity: 1,
        eta: null,
      };
      return broker.publish('pairs', [{ key, value: JSON.stringify(batch), headers: {} }]);
    };
    await sendBatch(keys[0], 'first');
    await sendBatch(keys[1], 'second');
    await eventually(() => expect(run.events).toHaveLength(2));
    await eventually(async () =>
      expect(await broker.committedOffsets('group', 'pairs')).toEqual([1, 1]),
    );
    // A failover to a standby that lacks the last commit leaves this state.
    await run.database.query(
      'update source_positions set next_offset = 0, next_sequence = 1 where partition = 0',
    );
    await sendBatch(keys[0], 'third');
    const refusals = () =>
      run.consumer
        .problems()
        .filter((problem) => problem.includes('the database is older than the topics'));
    await eventually(() => expect(refusals()).toHaveLength(2), { withinMs: 20_000 });
    await sendBatch(keys[1], 'fourth');
    expect(run.references()).toEqual(['first', 'second']);
  });
});
