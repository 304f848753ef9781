import type { Broker, TransactionalProducer } from '../../../src/service-layer/broker.ts';
import { FencedError } from '../../../src/service-layer/errors.ts';
import { over } from '../../support/over.ts';
import type { SimulatedProducer } from '../simulated-producer.ts';
import { type Parts, type Publish, withBroker, withStore } from './planting.ts';

/** Bugs of a lane that opens. */
export const openingPlants = {
  'the committed offset is taken for 0': (parts) =>
    withBroker(parts, {
      committedOffsets: async (...asked) =>
        (await parts.broker.committedOffsets(...asked)).map(() => 0),
    }),
  'the committed offset is asked for once': (parts) => {
    let known: ReturnType<Broker['committedOffsets']> | undefined;
    return withBroker(parts, {
      committedOffsets: (...asked) => {
        known ??= parts.broker.committedOffsets(...asked);
        return known;
      },
    });
  },
  'each owner has a transactional id of its own': (parts) =>
    withBroker(parts, {
      openProducer: (id) => parts.broker.openProducer(`${id}-${Math.random()}`),
    }),
  'a producer is used again after an error': (parts) => {
    const producers = new Map<string, TransactionalProducer>();
    return withBroker(parts, {
      openProducer: async (id) => {
        const former = producers.get(id) as SimulatedProducer | undefined;
        former?.reopen();
        const producer = former ?? (await parts.broker.openProducer(id));
        producers.set(id, producer);
        const publish: Publish = (records, position) =>
          producer.publish(records, position).catch((error: unknown) => {
            // Even this bug lets go of what another holder has taken.
            if (error instanceof FencedError) producers.delete(id);
            throw error;
          });
        return over(producer, { publish });
      },
    });
  },
  'the outbox is lost': (parts) => withStore(parts, { readOutbox: async () => null }),
  'the outbox is read from one command too late': (parts) =>
    withStore(parts, {
      readOutbox: (lane, from, below) => parts.store.readOutbox(lane, from + 1, below),
    }),
  'answers left behind are deleted before they are published': (parts) =>
    withStore(parts, {
      readOutbox: async (lane, from, below) => {
        const found = await parts.store.readOutbox(lane, from, below);
        if (found) await parts.store.deleteOutbox(lane, found.nextOffset);
        return found;
      },
    }),
} satisfies Record<string, (parts: Parts) => Parts>;
