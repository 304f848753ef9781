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

  /** Opens producers. The first one publishes answers only once `until` has settled. */
  function holdFirstProducer(until: Promise<void>) {
    const producers = {
      count: 0,
      open: async (id: string) => {
        producers.count += 1;
        const isFirst = producers.count === 1;
        const producer = await broker.openProducer(id);
        return over(producer, {
          publish: async (records, position) => {
            if (isFirst && records.length > 0) await until;
            await producer.publish(records, position);
          },
        });
      },
    };
    return producers;
  }

  /** Begins transactions. The second one begins only once `until` has settled. */
  function holdSecondTransaction(until: Promise<void>) {
    const transactions = {
      count: 0,
      begin: async (...transaction: Parameters<LaneStore['transaction']>) => {
        transactions.count += 1;
        if (transactions.count === 2) await until;
        return store.transaction(...transaction);
      },
    };
    return transactions;
  }

  it('publishes an answer whose transaction commits after the lane has opened anew', async () => {
    const brokerFailure = Promise.withResolvers<void>();
    const arrival = Promise.withResolvers<void>();
    const producers = holdFirstProducer(brokerFailure.promise);
    const transactions = holdSecondTransaction(arrival.promise);
    await run.start({
      broker: over(broker, { openProducer: producers.open }),
      store: over(store, { transaction: transactions.begin }),
    });
    await run.send('first');
    await eventually(() => expect(transactions.count).toBe(1));
    await run.send('second');
    await eventually(() => expect(transactions.count).toBe(2));
    brokerFailure.reject(new TroubleError('the connection to the broker broke'));
    await eventually(() => expect([producers.count, run.consumer.problems()]).toEqual([2, []]));
    arrival.resolve();
    await run.send('third');
    await eventually(() => expect(run.references()).toEqual(['first', 'second', 'third']), {
      withinMs: 10_000,
    });
  });

  it('drops a delivery that waited behind a failed one while the lane opened anew', async () => {
    const brokerFailure = Promise.withResolvers<void>();
    const databaseFailure = Promise.withResolvers<void>();
    const deliverySizes: number[] = [];
    const producers = holdFirstProducer(brokerFailure.promise);
    const transactions = holdSecondTransaction(databaseFailure.promise);
    await run.start({
      broker: over(broker, {
        consume: (options) =>
          broker.consume({
            ...options,
            openOwner: (partition) => {
              const lane = options.openOwner(partition);
              return over(lane, {
                handle: (records) => {
                  deliverySizes.push(records.length);
                  return lane.handle(records);
                },
              });
            },
          }),
        openProducer: producers.open,
      }),
      store: over(store, { transaction: transactions.begin }),
    });
    await run.send('first');
    await eventually(() => expect(transactions.count).toBe(1));
    const large = Array.from({ length: 1_000 }, (_, index) => `large-${index}`);
    await run.send(...large);
    await eventually(() => expect(deliverySizes).toEqual([1, 1_000]));
    await run.send('last');
    await eventually(() => expect(deliverySizes).toEqual([1, 1_000, 1]));
    brokerFailure.reject(new TroubleError('the connection to the broker broke'));
    await eventually(() => expect([producers.count, run.consumer.problems()]).toEqual([2, []]));
    databaseFailure.reject(new TroubleError('the connection to the database broke'));
    await eventually(() => expect(run.references().at(-1)).toBe('last'), { withinMs: 20_000 });
    expect(run.references()).toEqual(['first', ...large, 'last']);
  }, 60_000);
});
