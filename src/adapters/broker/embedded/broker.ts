import type {
  Broker,
  OffsetRange,
  ReadChunk,
  Sampling,
  TopicSettings,
  TransactionalProducer,
} from '../../../service-layer/broker.ts';
import type {
  ConsumeOptions,
  GroupConsumer,
  Subscription,
} from '../../../service-layer/consumer-group.ts';
import type {
  AddressedRecord,
  GroupPosition,
  OutgoingRecord,
  ReceivedRecord,
} from '../../../service-layer/records.ts';
import type { Database } from '../../database/database.ts';
import { handOver } from '../hand-over.ts';
import type { PlaceInTopic } from '../record-checks.ts';
import type { ProducerEpoch } from './append.ts';
import { EmbeddedConsumer } from './consumer.ts';
import { EmbeddedLog } from './log.ts';
import { chunksOf } from './read.ts';
import { EmbeddedTail } from './tail.ts';

/**
 * The embedded log, for one machine without Kafka. A SQLite file, which any number of processes may
 * open, keeps the topics, partitions, groups and transactions. Several machines need KAFKA_BROKERS.
 */
export class EmbeddedBroker implements Broker {
  readonly #database: Database;
  readonly #log: EmbeddedLog;
  readonly #subscriptions = new Set<Subscription>();

  /** @param database an open, migrated SQLite database, which the caller closes */
  constructor(database: Database) {
    this.#database = database;
    this.#log = EmbeddedLog.of(database);
  }

  ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    return this.#log.createTopics(topics, create);
  }

  async maxMessageBytes(topic: string): Promise<number> {
    return (await this.#log.topic(topic)).maxMessageBytes;
  }

  publish(topic: string, records: readonly AddressedRecord[]): Promise<readonly PlaceInTopic[]> {
    return this.#log.append(
      records.map((record) => ({ ...record, topic })),
      null,
      null,
    );
  }

  async openProducer(transactionalId: string): Promise<TransactionalProducer> {
    return new EmbeddedProducer(this.#log, await this.#log.takeProducer(transactionalId));
  }

  async consume(options: ConsumeOptions): Promise<GroupConsumer> {
    await this.#log.topic(options.topic);
    const consumer = this.#register(new EmbeddedConsumer(this.#database, this.#log, options));
    await consumer.firstJoin;
    return consumer;
  }

  committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]> {
    return this.#log.committedOffsets(group, topic);
  }

  /** Always null, because the embedded log has no leaders and so no leader epochs. */
  async endOfEpoch(): Promise<null> {
    return null;
  }

  async isCompacted(): Promise<boolean> {
    return false;
  }

  offsetRanges(topic: string): Promise<readonly OffsetRange[]> {
    return this.#log.offsetRanges(topic);
  }

  async tail(
    topic: string,
    from: 'beginning' | 'end',
    onRecord: (record: ReceivedRecord) => void,
    sampling?: Sampling,
  ): Promise<Subscription> {
    const ranges = await this.#log.offsetRanges(topic);
    return this.#register(
      new EmbeddedTail(
        this.#log,
        topic,
        ranges.map(({ end }) => (from === 'end' ? end : 0)),
        { onRecord, sampling },
      ),
    );
  }

  read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: (chunk: ReadChunk) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    return handOver((until) => chunksOf(this.#log, topic, ranges, until), take, signal);
  }

  logId(): Promise<string> {
    return this.#log.id();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
  }

  /** Makes `close` of the broker close the subscription too, unless its user has closed it. */
  #register<T extends Subscription>(subscription: T): T {
    const close = subscription.close.bind(subscription);
    this.#subscriptions.add(subscription);
    subscription.close = async () => {
      this.#subscriptions.delete(subscription);
      await close();
    };
    return subscription;
  }
}

class EmbeddedProducer implements TransactionalProducer {
  readonly #log: EmbeddedLog;
  readonly #epoch: ProducerEpoch;

  constructor(log: EmbeddedLog, epoch: ProducerEpoch) {
    this.#log = log;
    this.#epoch = epoch;
  }

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    await this.#log.append(records, position, this.#epoch);
  }

  async close(): Promise<void> {
    // Nothing is open. The next holder's epoch fences this producer.
  }

  async settle(): Promise<void> {
    // A publication is one transaction of SQLite, which a failure undoes.
  }
}
