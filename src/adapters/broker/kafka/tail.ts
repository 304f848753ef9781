import { setTimeout as sleep } from 'node:timers/promises';
import type { OffsetRange, Sampling } from '../../../service-layer/broker.ts';
import type {
  AssignedPartition,
  PartitionOwner,
  Subscription,
} from '../../../service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../service-layer/records.ts';
import type { KafkaOptions } from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import { PartitionFetcher } from './consumer/partition-fetcher.ts';
import { listOffset } from './requests/fetch-request.ts';
import { SampledPartition } from './sampled-partition.ts';

/** How often the tail checks whether the topic has more partitions. */
const LOOK_AT_TOPIC_MS = 5_000;
/** A sample reads no more of a large record batch, because reading is most of what it costs. */
const SAMPLE_BYTES = 64 * 1024;

/** What the reader of a tail wants. */
interface Wanted {
  readonly onRecord: (record: ReceivedRecord) => void;
  /** Undefined: the reader wants every record. */
  readonly sampling: Sampling | undefined;
}

/** Reads all partitions of a topic for one reader, outside any group, until it is closed. */
export class KafkaTail implements Subscription {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #topic: string;
  readonly #wanted: Wanted;
  readonly #fetchers: PartitionFetcher[] = [];
  /** The sampled partitions that have delivered something since their last look. */
  readonly #busy = new Set<SampledPartition>();
  readonly #closing = new AbortController();

  /** @param from each partition's first offset */
  constructor(
    options: KafkaOptions,
    view: ClusterView,
    topic: string,
    from: readonly Pick<OffsetRange, 'partition' | 'beginning'>[],
    wanted: Wanted,
  ) {
    this.#options = options;
    this.#view = view;
    this.#topic = topic;
    this.#wanted = wanted;
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
      maxDeliveryBytes: () => (this.#wanted.sampling ? SAMPLE_BYTES : Number.POSITIVE_INFINITY),
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
    const { signal } = this.#closing;
    const { onRecord, sampling } = this.#wanted;
    const handle = async (records: readonly ReceivedRecord[]) => {
      if (!signal.aborted) for (const record of records) onRecord(record);
    };
    if (!sampling) return { handle, close: async () => {} };
    return new SampledPartition(assigned, sampling, {
      busy: this.#busy,
      end: () => this.#end(assigned.partition),
      deliver: handle,
    });
  }

  async #end(partition: number): Promise<number> {
    const question = listOffset(this.#topic, partition, 'end');
    return (await this.#view.askLeader(this.#topic, partition, question)).offset;
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
