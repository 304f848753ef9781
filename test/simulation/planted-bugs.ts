import type { Broker, LaneStore } from '../../src/service-layer/unit-of-work.ts';
import { over } from '../support/over.ts';

interface Parts {
  readonly broker: Broker;
  readonly store: LaneStore;
}

/** Bugs that the simulation must find, each as what it would do to a lane. */
export const plants = {
  'the committed offset is taken for none': ({ broker, store }) => ({
    store,
    broker: over(broker, { committedOffsets: async (...asked) => (await broker.committedOffsets(...asked)).map(() => null) }),
  }),
  'the group moves without the records': ({ broker, store }) => ({
    store,
    broker: over(broker, {
      openProducer: async (id) => {
        const producer = await broker.openProducer(id);
        return over(producer, { publish: (_records, position) => producer.publish([], position) });
      },
    }),
  }),
  'the position goes ahead of the records': ({ broker, store }) => ({
    store,
    broker: over(broker, {
      openProducer: async (id) => {
        const producer = await broker.openProducer(id);
        return over(producer, {
          publish: async (records, position) => {
            await producer.publish([], position);
            await producer.publish(records, null);
          },
        });
      },
    }),
  }),
  'the outbox is lost': ({ broker, store }) => ({ broker, store: over(store, { readOutbox: async () => null }) }),
  'answered ids are forgotten': ({ broker, store }) => ({
    broker,
    store: over(store, {
      transaction: (lane, expected, work) =>
        store.transaction(lane, expected, (transaction) => work(over(transaction, { claim: async (ids) => new Set(ids) }))),
    }),
  }),
  'the owner of a lane is not asked for': ({ broker, store }) => ({
    broker,
    store: over(store, {
      transaction: async (lane, expected, work) => store.transaction(lane, { ...expected, ...(await store.readPosition(lane)) }, work),
    }),
  }),
} satisfies Record<string, (parts: Parts) => Parts>;

export type PlantedBug = keyof typeof plants;
