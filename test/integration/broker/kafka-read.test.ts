// @module-tag kafka

import type { Producer, Transaction } from 'kafkajs';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import type { ReadChunk } from '../../../src/service-layer/broker.ts';
import { plainKafka } from '../../support/topic-reader.ts';

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('A read of a range of a Kafka topic', () => {
  const kafka = plainKafka(brokers ?? '');
  const admin = kafka.admin();
  let broker: KafkaBroker;
  let topic: string;
  const producers: Producer[] = [];

  beforeEach(async () => {
    topic = `topic-${crypto.randomUUID()}`;
    broker = new KafkaBroker({
      brokers: (brokers ?? '').split(','),
      clientId: 'test',
      log: pino({ level: 'silent' }),
    });
    await broker.ensureTopics([{ name: topic, partitions: 1, maxMessageBytes: 3_000_000 }], true);
    await admin.connect();
  });

  afterEach(async () => {
    await Promise.all([
      broker.close(),
      admin.disconnect(),
      ...producers.splice(0).map((producer) => producer.disconnect()),
    ]);
  });

  it('ends after the marker of a committed or an aborted transaction', async () => {
    await write('committed', (transaction) => transaction.commit());
    expect(await read(0, 2)).toMatchObject({ values: ['committed'], nextOffset: 2 });
    await write('aborted', (transaction) => transaction.abort());
    expect(await read(0, 4)).toMatchObject({ values: ['committed'], nextOffset: 4 });
    await write('committed, too', (transaction) => transaction.commit());
    expect(await read(0, 6)).toMatchObject({
      values: ['committed', 'committed, too'],
      nextOffset: 6,
    });
  });

  it('ends at the requested offset inside a transaction', async () => {
    await write('committed', (transaction) => transaction.commit());
    await write('committed, too', (transaction) => transaction.commit());
    expect(await read(1, 3)).toMatchObject({ values: ['committed, too'], nextOffset: 3 });
    expect(await read(1, 2)).toMatchObject({ values: [], nextOffset: 2 });
  });

  it('waits for an open transaction only if the transaction lies in the range', async () => {
    await broker.publish(topic, [{ key: null, value: 'before', headers: {} }]);
    const open = await begin('open');
    expect(await read(0, 1)).toMatchObject({ values: ['before'], nextOffset: 1 });

    let isOver = false;
    const reading = read(0, 2).finally(() => {
      isOver = true;
    });
    await read(0, 1);
    expect(isOver).toBe(false);
    await open.commit();
    expect(await reading).toMatchObject({ values: ['before', 'open'], nextOffset: 2 });
  });

  it('returns a record that is larger than a fetch', async () => {
    const large = 'x'.repeat(2_500_000);
    for (const value of ['small', large, 'small, too'])
      await broker.publish(topic, [{ key: null, value, headers: {} }]);
    expect((await read(0, 3)).values).toEqual(['small', large, 'small, too']);
  });

  it('returns only what is left of a range whose records were deleted', async () => {
    for (const value of ['a', 'b', 'c', 'd'])
      await broker.publish(topic, [{ key: null, value, headers: {} }]);
    await admin.fetchTopicOffsets(topic); // Makes kafkajs look up the leader of the partition.
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
    expect(await read(0, 4)).toMatchObject({ values: ['c', 'd'], nextOffset: 4 });
    expect(await read(0, 2)).toMatchObject({ values: [], nextOffset: 2 });
  });

  it('leaves the list of consumer groups unchanged', async () => {
    const groups = async () =>
      (await admin.listGroups()).groups.map(({ groupId }) => groupId).sort();
    const before = await groups();
    await broker.publish(topic, [{ key: null, value: 'a', headers: {} }]);
    let during: string[] = [];
    await broker.read(topic, [{ partition: 0, beginning: 0, end: 1 }], async () => {
      during = await groups();
    });
    expect([during, await groups()]).toEqual([before, before]);
  });

  async function read(beginning: number, end: number) {
    const chunks: ReadChunk[] = [];
    await broker.read(
      topic,
      [{ partition: 0, beginning, end }],
      async (chunk) => void chunks.push(chunk),
    );
    const values = chunks.flatMap(({ records }) => records.map(({ value }) => String(value)));
    return { values, nextOffset: chunks.at(-1)?.nextOffset };
  }

  async function begin(value: string): Promise<Transaction> {
    const producer = kafka.producer({
      transactionalId: crypto.randomUUID(),
      idempotent: true,
      maxInFlightRequests: 1,
    });
    producers.push(producer);
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }] });
    return transaction;
  }

  async function write(
    value: string,
    end: (transaction: Transaction) => Promise<void>,
  ): Promise<void> {
    await end(await begin(value));
  }
});
