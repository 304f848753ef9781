import { setTimeout as sleep } from 'node:timers/promises';
import type { Sampling } from '../../../service-layer/broker.ts';
import type { Subscription } from '../../../service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../service-layer/records.ts';
import type { EmbeddedLog } from './log.ts';

const RETRY_MS = 100;

/** What the reader of a tail wants. */
interface Wanted {
  readonly onRecord: (record: ReceivedRecord) => void;
  /** Undefined: the reader wants every record. */
  readonly sampling: Sampling | undefined;
}

/** Reads all partitions of a topic in turn for one reader, until it is closed. */
export class EmbeddedTail implements Subscription {
  readonly #log: EmbeddedLog;
  readonly #topic: string;
  readonly #nextOffsets: number[];
  readonly #wanted: Wanted;
  readonly #closing = new AbortController();
  readonly #reading: Promise<void>;

  constructor(log: EmbeddedLog, topic: string, nextOffsets: number[], wanted: Wanted) {
    this.#log = log;
    this.#topic = topic;
    this.#nextOffsets = nextOffsets;
    this.#wanted = wanted;
    this.#reading = this.#read();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { signal } = this.#closing;
    const { sampling } = this.#wanted;
    while (!signal.aborted) {
      const { version } = this.#log;
      if (sampling) await this.#skipToNewest(sampling);
      const count = await this.#deliver();
      if (count === 0) await this.#log.newerThan(version, signal);
      else if (sampling) await this.#sleep(sampling.everyMs);
    }
  }

  /** @returns how many records came. A failed read counts too, because it must be repeated. */
  async #deliver(): Promise<number> {
    let count = 0;
    for (const [partition, fromOffset] of this.#nextOffsets.entries()) {
      const records = await this.#log.read(this.#topic, partition, fromOffset).catch(() => null);
      if (records === null) await this.#sleep(RETRY_MS);
      for (const record of this.#closing.signal.aborted ? [] : (records ?? []))
        this.#wanted.onRecord(record);
      this.#nextOffsets[partition] = fromOffset + (records?.length ?? 0);
      count += records?.length ?? 1;
    }
    return count;
  }

  async #skipToNewest({ maxRecords, onSkipped }: Sampling): Promise<void> {
    const ranges = await this.#log.offsetRanges(this.#topic).catch(() => []);
    if (this.#closing.signal.aborted) return;
    const next = this.#nextOffsets;
    const busy = ranges.filter(({ partition, end }) => end > (next[partition] ?? 0));
    const share = Math.max(1, Math.floor(maxRecords / busy.length));
    for (const { partition, end } of busy) {
      if (end - share <= (next[partition] ?? 0)) continue;
      next[partition] = end - share;
      onSkipped(partition, end - share);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}
