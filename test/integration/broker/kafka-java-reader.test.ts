// @module-tag kafka

import { Partitioners } from 'kafkajs';
import { expect, inject, it } from 'vitest';
import { hasJavaClient } from '../../support/kafka-java/libraries.ts';
import { contentHash, readTopicInJava } from '../../support/kafka-java/read.ts';
import { plainKafka, readTopic } from '../../support/topic-reader.ts';

const brokers = inject('kafkaBrokers') ?? '';

it.skipIf(!brokers || !(await hasJavaClient()))(
  'a Java client reads the same as kafkajs, and counts aborted records',
  async () => {
    const topic = `topic-${crypto.randomUUID().slice(0, 8)}`;
    const kafka = plainKafka(brokers);
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] });
    await admin.disconnect();
    const producer = kafka.producer({
      transactionalId: topic,
      maxInFlightRequests: 1,
      idempotent: true,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    const send = async (end: 'commit' | 'abort', ids: readonly string[]) => {
      const transaction = await producer.transaction();
      const messages = ids.map((id) => ({
        key: id,
        value: `the value of ${id}, é`,
        headers: { ce_id: id, ce_type: 'ü', a: 'first' },
      }));
      await transaction.send({ topic, messages });
      await transaction[end]();
    };
    await send('commit', ['one', 'two', 'three']);
    await send('abort', ['four', 'five']);
    await send('commit', ['six']);
    await producer.disconnect();
    const here = await readTopic(kafka, topic);
    const there = await readTopicInJava(brokers, topic);
    const inJava = new Map(there.records.map((record) => [record.id, record.contentHash]));
    expect(inJava).toEqual(
      new Map(here.map((record) => [record.headers.ce_id, contentHash(record)])),
    );
    expect(new Set(inJava.values()).size).toBe(4);
    expect(there.aborted).toBe(2);
  },
  120_000,
);
