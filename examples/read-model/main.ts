/* A read model: the stock of each product in a SQLite file, rebuilt from the events. `npx node
 * examples/read-model/main.ts` reads `GET /events`; with KAFKA_BROKERS, it reads the topic. */

import { Kafka, logLevel } from 'kafkajs';
// In your own project: from '@cosmicpython/allocation-client'.
import { AllocationClient, eventsOf } from '../../clients/typescript/src/index.ts';
import { Stock } from './stock.ts';

const { ALLOCATION_URL: url = 'http://localhost:8080', ALLOCATION_TOKEN: token } = process.env;
const { KAFKA_BROKERS: brokers, EVENTS_TOPIC: topic = 'allocation.events' } = process.env;
const stock = new Stock(process.env.READ_MODEL ?? 'read-model.db');

if (!brokers) {
  const stream = new AllocationClient({ url, token }).events({ lastEventId: stock.position });
  for await (const { lastEventId, events, hasMissed } of stream) {
    if (hasMissed) throw new Error('The stream no longer has all events: read them from Kafka');
    stock.take(lastEventId, events);
  }
} else {
  // The offsets are in the file, in the form of the stream's ids. So the group commits none.
  const places = stock.position.split(',').map((place) => place.split('/').map(Number));
  const next = new Map(places as [partition: number, offset: number][]);
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR });
  const groupId = `read-model-${crypto.randomUUID()}`;
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const offset = Number(message.offset);
      // Until `seek` below counts, the consumer reads from the beginning.
      if (offset < (next.get(partition) ?? 0)) return;
      next.set(partition, offset + 1);
      stock.take([...next].map((place) => place.join('/')).join(','), eventsOf(message));
    },
  });
  for (const [partition, offset] of next)
    consumer.seek({ topic, partition, offset: String(offset) });
}
