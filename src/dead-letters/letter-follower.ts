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
export interface OpenLetterCounts {
  readonly open: number;
  readonly byReason: ReadonlyMap<string, number>;
  /** ISO 8601. Null: no letter is on the list. */
  readonly oldestAt: string | null;
}

/**
 * Keeps an index of the dead letters topic. Each question reads the records that are new, so an
 * answer is never stale. The first question reads the whole topic; before it, nothing is read.
 *
 * A reading takes at most half of the time of this thread, because lanes use the thread too.
 */
export class LetterFollower implements LetterList {
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
   * @param signal ends the wait; the reading goes on, because others may wait for it too
   * @returns every letter, the oldest first
   * @throws {TroubleError} the log cannot be reached
   * @throws the signal's reason
   */
  async read(signal?: AbortSignal): Promise<readonly IndexedLetter[]> {
    const update = this.#update();
    await (signal ? endedBy(signal, update) : update);
    return this.index.letters;
  }

  /**
   * Brings the index up to date, and waits for that at most `maxWaitMs`. Then the reading goes on.
   * @throws {TroubleError} the log cannot be reached
   */
  async refresh(maxWaitMs: number): Promise<LetterProgress> {
    const update = this.#update().then(() => true);
    const isComplete = await Promise.race([update, timeUp(maxWaitMs)]);
    // After that time nobody waits for the update. Its failure must not end the process.
    update.catch(() => {});
    return { isComplete, ...this.#progress };
  }

  /**
   * Returns what is known of the letters on the list, and brings the index up to date for the next
   * question. Null: the first reading of the topic has not ended yet.
   */
  openLetters(): OpenLetterCounts | null {
    this.#update().catch(() => {});
    if (!this.#wasComplete) return null;
    const { openByReason, openCount, leftOut, letters } = this.index;
    const byReason = new Map(openByReason);
    for (const [reason, count] of leftOut.byReason)
      byReason.set(reason, count + (byReason.get(reason) ?? 0));
    const oldestAt = letters.find(({ fate }) => fate === null)?.failedAt ?? null;
    return { open: openCount + leftOut.count, byReason, oldestAt };
  }

  /** Ends the reading. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running?.catch(() => {});
  }

  /** Waits for an update that begins after this call: one under way may have read too early. */
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

  /** Forgets the letters that the topic has deleted, or all, if the topic was created again. */
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

/** Waits for the task until the signal aborts. @throws the signal's reason */
async function endedBy(signal: AbortSignal, task: Promise<void>): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const end = () => reject(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    await Promise.race([aborted, task]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

async function timeUp(ms: number): Promise<false> {
  return sleep(ms, false, { ref: false });
}
