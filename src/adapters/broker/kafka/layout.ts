import { Partitioners, type PartitionMetadata } from 'kafkajs';
import type { AddressedRecord, OutgoingRecord } from '../../../service-layer/records.ts';
import { refuseMissing } from '../missing-partition.ts';
import type { KafkaAdmin } from './admin.ts';
import type { PlacedRecord } from './records/partition-records.ts';

const MAX_AGE_MS = 30_000;

interface Layout {
  readonly partitions: PartitionMetadata[];
  readonly maxMessageBytes: number;
  readonly expiresAtMs: number;
}

/** Which partitions topics have, and which of them a record goes to: the one that it names, or that Java's producer would choose for its key. */
export class TopicLayouts {
  readonly #admin: KafkaAdmin;
  readonly #partitioner = Partitioners.DefaultPartitioner();
  readonly #layouts = new Map<string, Promise<Layout>>();

  constructor(admin: KafkaAdmin) {
    this.#admin = admin;
  }

  /** @throws {RangeError} a record names a partition that its topic does not have */
  async place(
    records: readonly (OutgoingRecord & AddressedRecord)[],
  ): Promise<readonly PlacedRecord[]> {
    const layouts = new Map<string, Layout>();
    for (const { topic } of records)
      if (!layouts.has(topic)) layouts.set(topic, await this.of(topic));
    const partitions = new Map<string, number>();
    return records.map((record) => {
      const { topic, key } = record;
      const { partitions: partitionMetadata, maxMessageBytes } = layouts.get(topic) as Layout;
      if (record.partition !== undefined) {
        refuseMissing(record.partition, topic, partitionMetadata.length);
        return { record, partition: record.partition, maxMessageBytes };
      }
      const place = `${topic}/${key}`;
      let partition = typeof key === 'string' ? partitions.get(place) : undefined;
      if (partition === undefined) {
        partition = this.#partitioner({ topic, partitionMetadata, message: { key, value: null } });
        if (typeof key === 'string') partitions.set(place, partition);
      }
      return { record, partition, maxMessageBytes };
    });
  }

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

  /** After trouble: what is known may no longer be so. */
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
