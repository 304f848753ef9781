import { setTimeout as sleep } from 'node:timers/promises';
import type { Sampling } from '../../../service-layer/broker.ts';
import type { AssignedPartition, PartitionOwner } from '../../../service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../service-layer/records.ts';

/** What a sampled partition needs from its tail. */
interface SampledPartitionContext {
  /** The partitions of the tail that share the records of a sample at the moment. */
  readonly busy: Set<SampledPartition>;
  /** Asks where the partition ends. */
  readonly end: () => Promise<number>;
  readonly deliver: (records: readonly ReceivedRecord[]) => Promise<void>;
}

/**
 * Delivers the newest records of one partition at the pace of the sampling. The next fetch begins
 * near the end of the partition. So most of what is left out is not fetched, either.
 */
export class SampledPartition implements PartitionOwner {
  readonly #assigned: AssignedPartition;
  readonly #sampling: Sampling;
  readonly #context: SampledPartitionContext;
  readonly #closing = new AbortController();

  constructor(assigned: AssignedPartition, sampling: Sampling, context: SampledPartitionContext) {
    this.#assigned = assigned;
    this.#sampling = sampling;
    this.#context = context;
  }

  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    const { busy, end, deliver } = this.#context;
    const { signal } = this.#closing;
    busy.add(this);
    const newest = records.slice(-this.#share);
    const [first] = newest;
    if (first && newest.length < records.length) this.#leaveOut(first.offset);
    await deliver(newest);
    await sleep(this.#sampling.everyMs, undefined, { signal }).catch(() => {});
    const from = signal.aborted ? 0 : (await end().catch(() => 0)) - this.#share;
    if (!signal.aborted && from > (newest.at(-1)?.offset ?? 0) + 1) {
      this.#assigned.resumeFrom(from);
      this.#leaveOut(from);
    }
    busy.delete(this);
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  get #share(): number {
    return Math.max(1, Math.floor(this.#sampling.maxRecords / this.#context.busy.size));
  }

  #leaveOut(nextOffset: number): void {
    this.#sampling.onSkipped(this.#assigned.partition, nextOffset);
  }
}
