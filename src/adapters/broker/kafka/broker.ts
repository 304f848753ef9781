import {
  type Broker,
  type ConsumeOptions,
  type Delivery,
  type GroupConsumer,
  type LogRecord,
  type OffsetRange,
  type ReceivedRecord,
  type Subscription,
  type TopicSettings,
  TroubleError,
} from '../../../service-layer/unit-of-work.ts';
import { handOver } from '../hand-over.ts';
import { KafkaAdmin } from './admin.ts';
import { clientConfig, type KafkaOptions } from './client.ts';
import { KafkaConsumer } from './consumer.ts';
import { TopicLayouts } from './layout.ts';
import { KafkaTransactionalProducer } from './producer.ts';
import { createCluster } from './protocol.ts';
import { KafkaPublisher } from './publisher.ts';
import { KafkaReader } from './reader.ts';
import { tailTopic } from './tail.ts';

/** The reader tries again by itself. */
const READ_RETRIES = 1;

/** The log on Apache Kafka. Nothing connects before it is needed, and every connection is made anew after trouble. */
export class KafkaBroker implements Broker {
  readonly #options: KafkaOptions;
  readonly #admin: KafkaAdmin;
  readonly #layouts: TopicLayouts;
  readonly #publisher: KafkaPublisher;
  readonly #consumers = new Set<KafkaConsumer>();
  #isClosed = false;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#admin = new KafkaAdmin(options);
    this.#layouts = new TopicLayouts(this.#admin);
    this.#publisher = new KafkaPublisher(options, this.#layouts);
  }

  ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    return this.#admin.ensureTopics(topics, create);
  }

  maxMessageBytes(topic: string): Promise<number> {
    return this.#admin.maxMessageBytes(topic);
  }

  publish(topic: string, records: readonly LogRecord[]) {
    return this.#publisher.publish(topic, records);
  }

  async openProducer(transactionalId: string): Promise<KafkaTransactionalProducer> {
    return await KafkaTransactionalProducer.open(this.#options, transactionalId, this.#layouts);
  }

  async consume(options: ConsumeOptions): Promise<GroupConsumer> {
    if (this.#isClosed) throw new TroubleError('The broker is closed');
    const consumer = new KafkaConsumer(this.#options, options, () => this.#admin.logId(options.topic));
    this.#consumers.add(consumer);
    await consumer.joined;
    return {
      problem: () => consumer.problem(),
      close: async () => {
        await consumer.close();
        this.#consumers.delete(consumer);
      },
    };
  }

  committedOffsets(group: string, topic: string, stable?: number) {
    return this.#admin.committedOffsets(group, topic, stable);
  }

  endOfEpoch(topic: string, partition: number, leaderEpoch: number) {
    return this.#admin.endOfEpoch(topic, partition, leaderEpoch);
  }

  isCompacted(topic: string) {
    return this.#admin.isCompacted(topic);
  }

  offsetRanges(topic: string) {
    return this.#admin.offsetRanges(topic);
  }

  tail(topic: string, from: 'beginning' | 'end', onRecord: (record: ReceivedRecord) => void): Promise<Subscription> {
    const group = `${this.#options.clientId}-tail-${crypto.randomUUID()}`;
    return tailTopic((options) => this.consume(options), group, this.#admin, topic, from, onRecord);
  }

  read(topic: string, ranges: readonly OffsetRange[], take: (delivery: Delivery) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const connection = () => createCluster(clientConfig(this.#options, READ_RETRIES));
    return handOver((until) => new KafkaReader(connection, topic, until).deliveries(ranges), take, signal);
  }

  logId(topic: string): Promise<string> {
    return this.#admin.logId(topic);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    await this.#publisher.close();
    await this.#admin.close();
  }
}
