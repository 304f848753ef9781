import { Partitioners, type PartitionMetadata } from 'kafkajs';
import type { AddressedRecord, OutgoingRecord } from '../../../service-layer/records.ts';
import { requirePartition } from '../record-checks.ts';
import type { KafkaAdmin } from './admin.ts';
import type { PartitionRecord } from './records/partition-records.ts';

const MAX_AGE_MS = 30_000;

interface Layout {
  readonly partitions: PartitionMetadata[];
  readonly maxMessageBytes: number;
  readonly expiresAtMs: number;
}

/**
 * Knows the partitions of the topics, and chooses a record's partition. A record goes to the
 * partition that it names, or else to the one that Java's producer would choose for its key.
 */
export class TopicLayouts {
  readonly #admin: KafkaAdmin;
  readonly #partitioner = Partitioners.DefaultPartitioner();
  readonly #layouts = new Map<string, Promise<Layout>>();

  constructor(admin: KafkaAdmin) {
    this.#admin = admin;
  }

  /**
   * Chooses the partition of each record, in the order given.
   * @throws {RangeError} a record names a partition that its topic does not have
   */
  async place(
    records: readonly (OutgoingRecord & AddressedRecord)[],
  ): Promise<readonly PartitionRecord[]> {
    const layouts = new Map<string, Layout>();
    for (const { topic } of records)
      if (!layouts.has(topic)) layouts.set(topic, await this.of(topic));
    const partitions = new Map<string, number>();
    return records.map((record) => {
      const { topic, key } = record;
      const { partitions: partitionMetadata, maxMessageBytes } = layouts.get(topic) as Layout;
      if (record.partition !== undefined) {
        requirePartition(record.partition, topic, partitionMetadata.length);
        return { record, partition: record.partition, maxMessageBytes };
      }
      const topicAndKey = `${topic}/${key}`;
      let partition = typeof key === 'string' ? partitions.get(topicAndKey) : undefined;
      if (partition === undefined) {
        partition = this.#partitioner({ topic, partitionMetadata, message: { key, value: null } });
        if (typeof key === 'string') partitions.set(topicAndKey, partition);
      }
      return { record, partition, maxMessageBytes };
    });
  }

  /** Reads the topic's layout, or returns one that is younger than 30 s. */
  async of(topic: string): Promise<Layout> {
    const known = await this.#layouts.get(topic);
    if (known && known.expiresAtMs > Date.now()) return known;
    const reading = this.#read(topic);
    this.#layouts.set(topic, reading);
    try {
      return await reading;
    } catch (error) {
      this.#layouts.delete(topic);
      throw error;
    }
  }

  /** Forgets all layouts. An error may mean that a topic has changed. */
  forget(): void {
    this.#layouts.clear();
  }

  async #read(topic: string): Promise<Layout> {
    const partitions = await this.#admin.partitions(topic);
    return {
      partitions,
      maxMessageBytes: await this.#admin.maxMessageBytes(topic),
      expiresAtMs: Date.now() + MAX_AGE_MS,
    };
  }
}
