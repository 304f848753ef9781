import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, PartitionOffset } from '../service-layer/unit-of-work.ts';

const LOOK_MS = 2;
/** Looks until the broker is asked: a lane of this process will have said it by then. */
const LOOKS_PER_QUESTION = 5;

/**
 * How far the lanes have published: all that a lane needs to know of the others.
 *
 * Two lanes may write one product one after the other, and each publishes by itself. An answer that rests on another one, of an
 * earlier `ce_sequence` of the same product, waits until that one is out. So the events that are out never lack an earlier one, and the
 * database can be lost at any moment: what was not out yet is decided anew, and nothing that is out rests on it.
 */
export class PublishedOffsets {
  readonly #broker: Broker;
  readonly #group: string;
  readonly #known = new Map<string, number>();

  constructor(broker: Broker, group: string) {
    this.#broker = broker;
    this.#group = group;
  }

  /** The lane has published up to there. */
  note({ topic, partition, nextOffset }: PartitionOffset): void {
    const lane = `${topic}/${partition}`;
    this.#known.set(lane, Math.max(nextOffset, this.#known.get(lane) ?? 0));
  }

  /** Whether each lane is known to have published so far. */
  covers(wanted: readonly PartitionOffset[]): boolean {
    return wanted.every(({ topic, partition, nextOffset }) => nextOffset <= (this.#known.get(`${topic}/${partition}`) ?? 0));
  }

  /** Waits for it. @returns false: the time was up before */
  async cover(wanted: readonly PartitionOffset[], timeoutMs: number): Promise<boolean> {
    for (let looks = 1; !this.covers(wanted); looks += 1) {
      if (looks * LOOK_MS > timeoutMs) return false;
      await sleep(LOOK_MS);
      if (looks % LOOKS_PER_QUESTION === 0) await this.#ask(wanted).catch(() => {});
    }
    return true;
  }

  /** Their owner may be another process. */
  async #ask(lanes: readonly PartitionOffset[]): Promise<void> {
    for (const topic of new Set(lanes.map((lane) => lane.topic))) {
      for (const [partition, nextOffset] of (await this.#broker.committedOffsets(this.#group, topic)).entries()) {
        this.note({ topic, partition, nextOffset: nextOffset ?? 0 });
      }
    }
  }
}
