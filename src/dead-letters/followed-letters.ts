import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, OffsetRange, ReadChunk } from '../service-layer/broker.ts';
import type { IndexedLetter } from './indexed-letter.ts';
import { LetterIndex } from './letter-index.ts';
import type { LetterList } from './redriver.ts';

/** How far the first reading of the topic is, in offsets. */
export interface LetterProgress {
  /** Whether the index has all that the topic had when the caller asked. */
  readonly isComplete: boolean;
  readonly read: number;
  readonly total: number;
}

/** How many letters are on the list, and since when the oldest one is. */
export interface OpenLetters {
  readonly open: number;
  readonly byReason: ReadonlyMap<string, number>;
  /** ISO 8601. Null: no letter is on the list. */
  readonly oldestAt: string | null;
}

/**
 * Keeps an index of the dead letters topic. Nothing is read before somebody asks. Each question
 * reads what is new, so the first one reads the whole topic, and an answer is never stale.
 *
 * A reading takes at most half of the time of this thread, because lanes work on it too.
 */
export class FollowedLetters implements LetterList {
  readonly index: LetterIndex;
  readonly #broker: Pick<Broker, 'read' | 'offsetRanges'>;
  readonly #topic: string;
  readonly #nextOffsets = new Map<number, number>();
  readonly #beginnings = new Map<number, number>();
  readonly #closing = new AbortController();
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #wasComplete = false;
  #progress = { read: 0, total: 0 };

  constructor(
    broker: Pick<Broker, 'read' | 'offsetRanges'>,
    topic: string,
    index = new LetterIndex(),
  ) {
    this.#broker = broker;
    this.#topic = topic;
    this.index = index;
  }

  /**
   * Brings the index up to date.
   * @returns every letter, the oldest first
   * @throws {TroubleError} the log cannot be reached
   */
  async read(): Promise<readonly IndexedLetter[]> {
    await this.#update();
    return this.index.letters;
  }

  /**
   * Brings the index up to date, and waits for that at most `maxWaitMs`. The reading goes on.
   * @throws {TroubleError} the log cannot be reached
   */
  async refresh(maxWaitMs: number): Promise<LetterProgress> {
    const update = this.#update().then(() => true);
    const isComplete = await Promise.race([update, timeUp(maxWaitMs)]);
    // Nobody waits for the update any more if the time is up.
    update.catch(() => {});
    return { isComplete, ...this.#progress };
  }

  /**
   * Returns what is known of the letters on the list, and brings the index up to date for the next
   * question. Null: the topic has not been read once yet.
   */
  openLetters(): OpenLetters | null {
    this.#update().catch(() => {});
    if (!this.#wasComplete) return null;
    const { openByReason, openCount, leftOut, letters } = this.index;
    const oldestAt = letters.find(({ fate }) => fate === null)?.failedAt ?? null;
    return { open: openCount + leftOut.count, byReason: openByReason, oldestAt };
  }

  /** Ends the reading. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running?.catch(() => {});
  }

  /** Begins an update, or waits for the next one: one under way may have looked too early. */
  #update(): Promise<void> {
    if (this.#next) return this.#next;
    if (!this.#running) return this.#begin();
    this.#next = this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#begin();
      });
    return this.#next;
  }

  #begin(): Promise<void> {
    const running = this.#readNew().finally(() => {
      this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #readNew(): Promise<void> {
    this.#closing.signal.throwIfAborted();
    const ranges = await this.#broker.offsetRanges(this.#topic);
    this.#forgetDeleted(ranges);
    const news = ranges.map(({ partition, end }) => {
      return { partition, beginning: this.#nextOffset(partition), end };
    });
    const total = ranges.reduce((sum, { beginning, end }) => sum + end - beginning, 0);
    const left = news.reduce((sum, { beginning, end }) => sum + end - beginning, 0);
    this.#progress = { read: total - left, total };
    await this.#take(news, ({ partition, records, nextOffset }) => {
      for (const record of records) this.index.add(record);
      this.#progress.read += nextOffset - this.#nextOffset(partition);
      this.#nextOffsets.set(partition, nextOffset);
    });
    if (this.index.canTakeLeftOut) await this.#takeLeftOut();
    this.#wasComplete = true;
  }

  /** Forgets what the topic has deleted; everything, if the topic was created again. */
  #forgetDeleted(ranges: readonly OffsetRange[]): void {
    const isOther = ranges.some(({ partition, end }) => end < this.#nextOffset(partition));
    if (isOther) {
      this.index.clear();
      this.#nextOffsets.clear();
      this.#beginnings.clear();
    }
    for (const { partition, beginning } of ranges) {
      if (beginning <= (this.#beginnings.get(partition) ?? 0)) continue;
      this.#beginnings.set(partition, beginning);
      this.index.forgetBefore(partition, beginning);
      this.#nextOffsets.set(partition, Math.max(beginning, this.#nextOffset(partition)));
    }
  }

  #nextOffset(partition: number): number {
    return this.#nextOffsets.get(partition) ?? 0;
  }

  #takeLeftOut(): Promise<void> {
    const { index } = this;
    return this.#take(index.leftOut.ranges, ({ records }) => {
      for (const record of records) if (index.leftOut.has(record)) index.add(record);
    });
  }

  async #take(ranges: readonly OffsetRange[], take: (chunk: ReadChunk) => void): Promise<void> {
    const { signal } = this.#closing;
    const gently = async (chunk: ReadChunk) => {
      const begunMs = performance.now();
      take(chunk);
      await sleep(performance.now() - begunMs);
    };
    await this.#broker.read(this.#topic, ranges, gently, signal);
  }
}

async function timeUp(ms: number): Promise<false> {
  return sleep(ms, false, { ref: false });
}
