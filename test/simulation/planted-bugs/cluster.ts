import type { Broker } from '../../../src/service-layer/broker.ts';
import { over } from '../../support/over.ts';
import type { SimulatedBroker } from '../simulated-broker.ts';
import type { ProducerStep, SimulatedProducer } from '../simulated-producer.ts';
import { handling, type Parts, withBroker, withStore } from './planting.ts';

/** Bugs that show when offices move, members are thrown out, or the log forgets. */
export const clusterPlants = {
  // Offices move.
  'a group that cannot be asked stands at 0': (parts) =>
    withBroker(parts, {
      committedOffsets: (...asked) =>
        parts.broker.committedOffsets(...asked).catch(() => [0, 0, 0]),
    }),
  'the group offsets are asked for without waiting for stable ones': (parts) =>
    withBroker(parts, {
      committedOffsets: () => (parts.broker as SimulatedBroker).unstableOffsets(),
    }),
  'an error of records that are sent is dropped': (parts) => dropping(parts, 'sends'),
  'an error of the offset that is sent is dropped': (parts) => dropping(parts, 'sends its offset'),
  'an error of a commit is dropped': (parts) => dropping(parts, 'commits'),
  'a commit that failed is asked for again, and then taken for done': (parts) =>
    dropping(parts, 'commits', 1),

  // The log forgets.
  'a committed offset that is missing is 0': (parts) =>
    withBroker(parts, {
      committedOffsets: async (...asked) =>
        (await parts.broker.committedOffsets(...asked)).map((offset) => offset ?? 0),
    }),
  'a committed offset that is missing is the end of the topic': (parts) =>
    withBroker(parts, {
      committedOffsets: async (group, topic) => {
        const ends = await parts.broker.offsetRanges(topic);
        return (await parts.broker.committedOffsets(group, topic)).map(
          (offset, partition) => offset ?? ends[partition]?.end ?? 0,
        );
      },
    }),
  'a lane that retention has overtaken goes on at the end': (parts) =>
    resuming(parts, ({ beginning, end }, offset) =>
      beginning > 0 && offset <= beginning ? end : offset,
    ),
  'after retention, a lane begins one record too late': (parts) =>
    resuming(parts, ({ beginning }, offset) =>
      beginning > 0 && offset <= beginning ? beginning + 1 : offset,
    ),

  'a log that was truncated is taken for the same': (parts) =>
    withBroker(parts, {
      endOfEpoch: async () => null,
      consume: ({ openOwner, ...options }) =>
        parts.broker.consume({
          ...options,
          // Without the epoch, the fetcher does not notice the truncation either.
          openOwner: (partition) =>
            openOwner(over(partition, { resumeFrom: (offset) => partition.resumeFrom(offset) })),
        }),
    }),
  'published rows stay in the outbox of a lane that stops': (parts) =>
    withStore(parts, { deletePublished: async () => {} }),

  // Partitions move.
  'a lane never stops': (parts) => closing(parts, () => new Promise(() => {})),
  'a lane that is taken away is not told': (parts) => closing(parts, async () => {}),
  'a lane that is taken away does not wait for its answers': (parts) =>
    closing(parts, async (close) => {
      void close();
    }),
  'what a lane has published stays in the outbox': (parts) =>
    withStore(parts, {
      deletePublished: async () => {},
      deleteOutbox: async () => {},
      transaction: (lane, expected, work) =>
        parts.store.transaction(lane, expected, async (transaction) => ({
          ...(await work(transaction)),
          publishedBelowOffset: 0,
        })),
    }),
  'a new owner forgets what it has not handled yet': (parts) =>
    handling(parts, async (records, handle) =>
      handle(records.length > 1 ? records.slice(1) : records),
    ),
} satisfies Record<string, (parts: Parts) => Parts>;

/**
 * Drops the errors of one step of each publication.
 * @param tries how often the step is tried again before
 */
function dropping(parts: Parts, step: ProducerStep, tries = 0): Parts {
  return withBroker(parts, {
    openProducer: async (id) => {
      const producer = (await parts.broker.openProducer(id)) as SimulatedProducer;
      producer.dropErrorsOf(step, tries);
      return producer;
    },
  });
}

/** Changes the offset at which a lane goes on. */
function resuming(
  parts: Parts,
  change: (range: { readonly beginning: number; readonly end: number }, offset: number) => number,
): Parts {
  return withBroker(parts, {
    consume: ({ openOwner, ...options }) =>
      parts.broker.consume({
        ...options,
        openOwner: (partition) =>
          openOwner(
            over(partition, {
              resumeFrom: (offset) =>
                void rangeOf(parts.broker, options.topic, partition.partition).then((range) =>
                  partition.resumeFrom(range ? change(range, offset) : offset),
                ),
            }),
          ),
      }),
  });
}

async function rangeOf(broker: Broker, topic: string, partition: number) {
  const ranges = await broker.offsetRanges(topic).catch(() => []);
  return ranges.find((range) => range.partition === partition);
}

/** Changes how a lane is told that it is taken away. */
function closing(parts: Parts, change: (close: () => Promise<void>) => Promise<void>): Parts {
  return withBroker(parts, {
    consume: ({ openOwner, ...options }) =>
      parts.broker.consume({
        ...options,
        openOwner: (partition) => {
          const owner = openOwner(partition);
          return over(owner, { close: () => change(() => owner.close()) });
        },
      }),
  });
}
