import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { PartitionOffset } from '../service-layer/records.ts';

/**
 * Asks the log where the partitions of a topic end. One question at a time serves all lanes. An
 * answer counts only if its question began after the call. So calls during a question share the
 * next one.
 */
export class PartitionEnds {
  readonly #broker: Broker;
  #asking: Promise<unknown> = Promise.resolve();
  #next: Promise<readonly OffsetRange[]> | null = null;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  ranges(topic: string): Promise<readonly OffsetRange[]> {
    this.#next ??= this.#asking.then(() => {
      this.#next = null;
      const ranges = this.#broker.offsetRanges(topic);
      this.#asking = ranges.catch(() => {});
      return ranges;
    });
    return this.#next;
  }
}

/** Returns the ends of the ranges, as offsets that lanes can reach. */
export function endsOf(topic: string, ranges: readonly OffsetRange[]): readonly PartitionOffset[] {
  return ranges.map(({ partition, end }) => ({ topic, partition, nextOffset: end }));
}
