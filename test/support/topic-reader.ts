import { Kafka, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { KafkaBroker } from '../../src/adapters/broker/kafka/broker.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';

/** A record as a plain Kafka client sees it, with headers as text. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** A plain Kafka client that remembers the addresses of its brokers. */
export class PlainKafka extends Kafka {
  readonly brokers: readonly string[];

  constructor(brokers: readonly string[], requestTimeout: number) {
    super({ brokers: [...brokers], clientId: 'test', logLevel: logLevel.NOTHING, requestTimeout });
    this.brokers = brokers;
  }
}

export function plainKafka(brokers: string, requestTimeoutMs = 30_000): PlainKafka {
  return new PlainKafka(brokers.split(','), requestTimeoutMs);
}

/**
 * Reads every committed record of the topic, from its beginning to its current ends. It uses the
 * reader of the service, because kafkajs delivers some aborted records as committed. The Java
 * client of Kafka (`kafka-java/read.ts`) checks that both read the same.
 */
export async function readTopic(
  { brokers }: PlainKafka,
  topic: string,
): Promise<readonly TopicRecord[]> {
  const broker = new KafkaBroker({
    brokers,
    clientId: 'test-reader',
    log: pino({ level: 'silent' }),
  });
  const records: TopicRecord[] = [];
  try {
    await broker.read(topic, await broker.offsetRanges(topic), async (delivery) => {
      for (const record of delivery.records) records.push(asRecord(record));
    });
  } finally {
    await broker.close();
  }
  return records;
}

function asRecord({ partition, offset, key, value, headers }: ReceivedRecord): TopicRecord {
  return {
    partition,
    offset,
    key: key?.toString() ?? null,
    value,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, String(text)]),
    ),
  };
}
