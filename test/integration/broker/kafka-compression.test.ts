// @module-tag kafka

import { pino } from 'pino';
import { expect, inject, it } from 'vitest';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';
import { hasJavaClient } from '../../support/kafka-java/libraries.ts';
import { COMPRESSIONS, produceInJava } from '../../support/kafka-java/produce.ts';

const brokers = inject('kafkaBrokers') ?? '';

it.skipIf(!brokers || !(await hasJavaClient()))(
  'records of a Java producer arrive unchanged with every compression',
  async () => {
    const topic = `topic-${crypto.randomUUID().slice(0, 8)}`;
    const broker = new KafkaBroker({
      brokers: brokers.split(','),
      clientId: 'test',
      log: pino({ level: 'silent' }),
    });
    await broker.ensureTopics([{ name: topic, partitions: 1, maxMessageBytes: 1_100_000 }], true);
    // Enough records to fill several of the blocks that snappy and lz4 write.
    const sent = COMPRESSIONS.flatMap((compression) =>
      Array.from({ length: 2_000 }, (_, index) => ({
        compression,
        key: `${compression}-${index}`,
        value: crypto.randomUUID(),
      })),
    );
    await produceInJava(brokers, topic, sent);
    const received: ReceivedRecord[] = [];
    const handle = async (records: readonly ReceivedRecord[]) => void received.push(...records);
    await broker.consume({
      topic,
      group: `${topic}-group`,
      openOwner: (control) => {
        control.resumeFrom(0);
        return { handle, close: async () => {} };
      },
    });
    await eventually(() => expect(received).toHaveLength(sent.length));
    expect(received.map(({ key, value }) => `${key} ${value}`)).toEqual(
      sent.map(({ key, value }) => `${key} ${value}`),
    );
    await broker.close();
  },
  60_000,
);
