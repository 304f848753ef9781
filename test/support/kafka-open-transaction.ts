import { Kafka, logLevel } from 'kafkajs';

/**
 * This program writes inside a transaction, moves the offset of the group, says "written", and
 * waits to be killed.
 */
const [brokers = '', transactionalId = '', topic = '', group = ''] = process.argv.slice(2);
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
const producer = kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
await producer.connect();
const transaction = await producer.transaction();
await transaction.send({
  topic,
  messages: [0, 1, 2, 3].map((partition) => ({ partition, value: 'never committed' })),
});
await transaction.sendOffsets({
  consumerGroupId: group,
  topics: [{ topic, partitions: [{ partition: 0, offset: '77' }] }],
});
process.stdout.write('written\n');
