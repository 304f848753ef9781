// kafkajs as it is delivers some aborted records as committed.
import '../../src/adapters/broker/kafka/patches.ts';
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs';

/** A record as a plain Kafka client sees it, headers as text. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** A plain Kafka client: of the service's own code only the patch. */
export function plainKafka(brokers: string, requestTimeout = 30_000): Kafka {
  return new Kafka({ brokers: brokers.split(','), clientId: 'test', logLevel: logLevel.NOTHING, requestTimeout });
}

/** Reads every committed record of the topic, up to the ends that it has now, with a `read_committed` consumer of its own group. */
export async function readTopic(kafka: Kafka, topic: string): Promise<readonly TopicRecord[]> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map(
    (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]),
  );
  await admin.disconnect();
  const waiting = new Set([...ends].filter(([, { low, high }]) => high > low).map(([partition]) => partition));
  const records: TopicRecord[] = [];
  const next = new Map<number, number>();
  if (waiting.size === 0) return records;
  const consumer = kafka.consumer({ groupId: `reader-${crypto.randomUUID()}`, readUncommitted: false });
  const done = Promise.withResolvers<void>();
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  // The end of a batch counts transaction markers too, which no message shows.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    if (Number(payload.lastOffset) + 1 >= (ends.get(payload.partition)?.high ?? 0)) waiting.delete(payload.partition);
    if (waiting.size === 0) done.resolve();
  });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      // A reader that is thrown out of its group while the machine is busy begins again at the beginning.
      const isNew = ({ offset }: KafkaMessage) => Number(offset) >= (next.get(batch.partition) ?? 0);
      for (const message of batch.messages.filter(isNew)) records.push(asRecord(batch.partition, message));
      next.set(batch.partition, Math.max(next.get(batch.partition) ?? 0, Number(batch.lastOffset()) + 1));
    },
  });
  await done.promise;
  await consumer.disconnect();
  return records;
}

function asRecord(partition: number, { offset, key, value, headers = {} }: KafkaMessage): TopicRecord {
  return {
    partition,
    offset: Number(offset),
    key: key?.toString() ?? null,
    value,
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)])),
  };
}
