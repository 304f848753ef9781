import { setTimeout as sleep } from 'node:timers/promises';
import type { OffsetRange } from '../../../service-layer/broker.ts';
import type {
  AssignedPartition,
  PartitionOwner,
  Subscription,
} from '../../../service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../service-layer/records.ts';
import type { KafkaOptions } from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import { PartitionFetcher } from './consumer/partition-fetcher.ts';

/** How often the tail checks whether the topic has more partitions. */
const LOOK_AT_TOPIC_MS = 5_000;

/** Reads all partitions of a topic for one reader, outside any group, until it is closed. */
export class KafkaTail implements Subscription {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #topic: string;
  readonly #onRecord: (record: ReceivedRecord) => void;
  readonly #fetchers: PartitionFetcher[] = [];
  readonly #closing = new AbortController();

  /** @param from each partition's first offset */
  constructor(
    options: KafkaOptions,
    view: ClusterView,
    topic: string,
    from: readonly Pick<OffsetRange, 'partition' | 'beginning'>[],
    onRecord: (record: ReceivedRecord) => void,
  ) {
    this.#options = options;
    this.#view = view;
    this.#topic = topic;
    this.#onRecord = onRecord;
    for (const { partition, beginning } of from) this.#open(partition, beginning);
    void this.#watchPartitions();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#fetchers.map((fetcher) => fetcher.close()));
  }

  #open(partition: number, offset: number): void {
    const fetcher: PartitionFetcher = new PartitionFetcher(partition, {
      options: this.#options,
      view: this.#view,
      topic: this.#topic,
      openOwner: (assigned) => this.#openOwner(assigned, offset),
      membership: () => null,
      maxDeliveryBytes: () => Number.POSITIVE_INFINITY,
      maxRecordBytes: Number.POSITIVE_INFINITY,
      onGivenBack: () => {},
      onResumed: () => {},
      // Retention has deleted the next records, or the topic is another log: skip to the first one.
      onOutOfRange: (first) => fetcher.resumeFrom(first),
    });
    this.#fetchers.push(fetcher);
  }

  #openOwner(assigned: AssignedPartition, offset: number): PartitionOwner {
    assigned.resumeFrom(offset);
    return {
      handle: async (records) => {
        if (!this.#closing.signal.aborted) for (const record of records) this.#onRecord(record);
      },
      close: async () => {},
    };
  }

  async #watchPartitions(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(LOOK_AT_TOPIC_MS, undefined, { signal }).catch(() => {});
      await this.#view.refresh().catch(() => {});
      const count = await this.#view.partitionCount(this.#topic).catch(() => this.#fetchers.length);
      while (!signal.aborted && this.#fetchers.length < count) this.#open(this.#fetchers.length, 0);
    }
  }
}
