import { parentPort } from 'node:worker_threads';
import { Kafka, logLevel } from 'kafkajs';
import type { Publication } from './main.ts';

/** The relay thread publishes everything that waits in one transaction, then looks again. */

const {
  KAFKA_BROKERS = '',
  KAFKA_GROUP_ID = '',
  COMMANDS_TOPIC = '',
  EVENTS_TOPIC = '',
} = process.env;

const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
const producer = kafka.producer({
  transactionalId: KAFKA_GROUP_ID,
  idempotent: true,
  maxInFlightRequests: 1,
});
await producer.connect();

const queue: Publication[] = [];
let isPublishing = false;
parentPort?.on('message', async (publication: Publication | null) => {
  if (!publication) return process.exit(0);
  queue.push(publication);
  if (isPublishing) return;
  isPublishing = true;
  while (queue.length > 0) await publish(queue.splice(0));
  isPublishing = false;
});

async function publish(publications: readonly Publication[]): Promise<void> {
  const transaction = await producer.transaction();
  const offsets = new Map(publications.map(({ partition, nextOffset }) => [partition, nextOffset]));
  // Each publication is one request. Its several thousand records stay below what the broker takes
  // for one partition.
  for (const { messages } of publications)
    await transaction.send({ topic: EVENTS_TOPIC, acks: -1, messages: [...messages] });
  const partitions = [...offsets].map(([partition, offset]) => ({
    partition,
    offset: String(offset),
  }));
  await transaction.sendOffsets({
    consumerGroupId: KAFKA_GROUP_ID,
    topics: [{ topic: COMMANDS_TOPIC, partitions }],
  });
  await transaction.commit();
  for (const { number } of publications) parentPort?.postMessage(number);
}
