import type {
  Broker,
  OffsetRange,
  ReadChunk,
  Sampling,
  TopicSettings,
} from '../../../service-layer/broker.ts';
import type {
  ConsumeOptions,
  GroupConsumer,
  Subscription,
} from '../../../service-layer/consumer-group.ts';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { AddressedRecord, ReceivedRecord } from '../../../service-layer/records.ts';
import { handOver } from '../hand-over.ts';
import { KafkaAdmin } from './admin.ts';
import type { KafkaOptions } from './client.ts';
import { ClusterView } from './cluster-view.ts';
import { KafkaConsumer } from './consumer/consumer.ts';
import { TopicLayouts } from './layout.ts';
import { LeaderConnection } from './leader-connection.ts';
import { DepartedNodes } from './producer/departed-nodes.ts';
import { KafkaPublisher } from './producer/publisher.ts';
import { KafkaTransactionalProducer } from './producer/transactional-producer.ts';
import { KafkaReader } from './reader.ts';
import { KafkaTail } from './tail.ts';
import { TopicCreator } from './topic-creator.ts';

/**
 * The log on Apache Kafka. It opens a connection when it first needs one, and opens another one
 * after each failure.
 */
export class KafkaBroker implements Broker {
  readonly #options: KafkaOptions;
  readonly #admin: KafkaAdmin;
  readonly #layouts: TopicLayouts;
  readonly #publisher: KafkaPublisher;
  readonly #view: ClusterView;
  readonly #departed: DepartedNodes;
  readonly #subscriptions = new Set<Subscription>();
  #isClosed = false;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#view = new ClusterView(options);
    this.#departed = new DepartedNodes(this.#view);
    this.#admin = new KafkaAdmin(options, this.#view);
    this.#layouts = new TopicLayouts(this.#admin);
    this.#publisher = new KafkaPublisher(options, this.#layouts, this.#departed);
  }

  ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    return new TopicCreator(this.#options, this.#view).ensureTopics(topics, create);
  }

  maxMessageBytes(topic: string): Promise<number> {
    return this.#admin.maxMessageBytes(topic);
  }

  publish(topic: string, records: readonly AddressedRecord[]) {
    return this.#publisher.publish(topic, records);
  }

  async openProducer(
    transactionalId: string,
    signal?: AbortSignal,
  ): Promise<KafkaTransactionalProducer> {
    return await KafkaTransactionalProducer.open(
      this.#options,
      transactionalId,
      this.#layouts,
      this.#departed,
      signal,
    );
  }

  async consume(options: ConsumeOptions): Promise<GroupConsumer> {
    if (this.#isClosed) throw new TroubleError('The broker is closed');
    const consumer = new KafkaConsumer(this.#options, this.#view, options, () =>
      this.#admin.logId(options.topic),
    );
    const subscription: GroupConsumer = {
      ...this.#register(consumer),
      problem: () => consumer.problem(),
      members: () => consumer.members(),
    };
    options.onJoining?.(subscription);
    await consumer.firstJoin;
    return subscription;
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

  offsetRanges(topic: string, partitions?: readonly number[]) {
    return this.#admin.offsetRanges(topic, partitions);
  }

  async tail(
    topic: string,
    from: 'beginning' | 'end',
    onRecord: (record: ReceivedRecord) => void,
    sampling?: Sampling,
  ): Promise<Subscription> {
    const ranges = await this.#admin.offsetRanges(topic);
    const starts = ranges.map((range) => ({ partition: range.partition, beginning: range[from] }));
    return this.#register(
      new KafkaTail(this.#options, this.#view, topic, starts, { onRecord, sampling }),
    );
  }

  read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: (chunk: ReadChunk) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const leaderOf = (partition: number) =>
      new LeaderConnection(this.#options, this.#view, topic, partition);
    return handOver(
      (until) =>
        new KafkaReader(topic, () => this.#admin.logId(topic), leaderOf, until).chunks(ranges),
      take,
      signal,
    );
  }

  logId(topic: string): Promise<string> {
    return this.#admin.logId(topic);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#publisher.close();
    this.#admin.close();
    this.#departed.close();
    this.#view.close();
  }

  /** Makes `close` of the broker close the subscription too, unless its user has closed it. */
  #register(subscription: Subscription): Subscription {
    this.#subscriptions.add(subscription);
    return {
      close: async () => {
        this.#subscriptions.delete(subscription);
        await subscription.close();
      },
    };
  }
}
