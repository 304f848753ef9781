import { readDeadLetterPlace } from '../dead-letters/dead-letter-headers.ts';
import { readAnswerPlace } from '../messages/published.ts';
import type { Broker, Delivery, OffsetRange } from '../service-layer/broker.ts';

/** What the topics say of a lane: every answer lies below this offset of its commands, and the last one just below. */
export interface AnsweredOffsets {
  /** By partition of the commands topic. Absent: no answer of that lane was found. */
  readonly nextOffsets: ReadonlyMap<number, number>;
  /** Nothing was deleted or compacted, so what was not found was never published. */
  readonly isComplete: boolean;
  /** Neither topic ever had a record. */
  readonly isUnused: boolean;
}

/** Who waits for the topics to be read. */
export interface Watch {
  readonly signal: AbortSignal;
  /** Told now and then, in words, how far it has come. */
  readonly onProgress: (text: string) => void;
}

/** Where a long reading says how far it has come. */
interface ProgressLog {
  info(text: string): void;
}

/** A reading under way. */
interface Reading {
  readonly done: Promise<void>;
  readonly stopping: AbortController;
}

const LOG_EVERY_MS = 5_000;
/** A topic that is deleted and created again must not be taken for the one that was read. */
const FORGET_AFTER_MS = 60_000;

/**
 * Finds out how far lanes have published, from the published records: each names the place of its command. A lane publishes
 * in order, so below its highest place everything is out.
 *
 * All who ask at the same time share one reading. It stops when nobody waits any more; what it has read is kept for a
 * minute, and whoever asks then has only the rest read.
 */
export class AnswerReader {
  readonly #broker: Broker;
  readonly #topics: readonly string[];
  readonly #log: ProgressLog;
  /** How far each partition of each topic was read, by `topic/partition`. */
  readonly #read = new Map<string, number>();
  /** The offset after the highest answered command of each lane, by `topic/partition`. */
  readonly #answered = new Map<string, number>();
  #reading: Reading | null = null;
  #waiting = 0;
  #usedMs = 0;
  #progress = '';

  constructor(
    broker: Broker,
    topics: { readonly eventsTopic: string; readonly deadLettersTopic: string },
    log: ProgressLog,
  ) {
    this.#broker = broker;
    this.#topics = [topics.eventsTopic, topics.deadLettersTopic];
    this.#log = log;
  }

  /**
   * Reads what was published before the call.
   * @throws {TroubleError} the log cannot be reached, or a transaction stays open
   * @throws the signal's reason
   */
  async read(commandsTopic: string, watch: Watch): Promise<AnsweredOffsets> {
    if (performance.now() - this.#usedMs > FORGET_AFTER_MS && this.#waiting === 0) this.#forget();
    const ranges = await this.#ranges();
    const compacted = await Promise.all(
      this.#topics.map((topic) => this.#broker.isCompacted(topic)),
    );
    while (!this.#isRead(ranges)) await this.#join(ranges, watch);
    this.#usedMs = performance.now();
    // Asked again: retention may have deleted answers while the topics were read.
    const remaining = await this.#ranges();
    const ofTopic = [...this.#answered].filter(
      ([lane]) => lane.slice(0, lane.lastIndexOf('/')) === commandsTopic,
    );
    return {
      nextOffsets: new Map(
        ofTopic.map(([lane, nextOffset]) => [
          Number(lane.slice(lane.lastIndexOf('/') + 1)),
          nextOffset,
        ]),
      ),
      isComplete:
        !compacted.includes(true) && remaining.flat().every(({ beginning }) => beginning === 0),
      isUnused: ranges.flat().every(({ end }) => end === 0),
    };
  }

  #ranges(): Promise<readonly (readonly OffsetRange[])[]> {
    return Promise.all(this.#topics.map((topic) => this.#broker.offsetRanges(topic)));
  }

  #isRead(ranges: readonly (readonly OffsetRange[])[]): boolean {
    return this.#left(ranges).flat().length === 0;
  }

  /** What is still to be read, by topic. */
  #left(ranges: readonly (readonly OffsetRange[])[]): readonly (readonly OffsetRange[])[] {
    return ranges.map((ofTopic, index) =>
      ofTopic
        .map((range) => ({
          ...range,
          beginning: Math.max(
            range.beginning,
            this.#read.get(`${this.#topics[index]}/${range.partition}`) ?? 0,
          ),
        }))
        .filter(({ beginning, end }) => beginning < end),
    );
  }

  /** Waits for the reading under way, or begins one. Resolves also when it was stopped because nobody waited. */
  async #join(
    ranges: readonly (readonly OffsetRange[])[],
    { signal, onProgress }: Watch,
  ): Promise<void> {
    signal.throwIfAborted();
    this.#reading ??= this.#begin(ranges);
    const reading = this.#reading;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const telling = setInterval(() => onProgress(this.#progress), LOG_EVERY_MS / 5);
    this.#waiting += 1;
    onProgress(this.#progress);
    try {
      await Promise.race([reading.done, aborted]);
    } catch (error) {
      if (!reading.stopping.signal.aborted || signal.aborted) throw error;
    } finally {
      clearInterval(telling);
      signal.removeEventListener('abort', abort);
      this.#waiting -= 1;
      if (this.#waiting === 0) reading.stopping.abort();
    }
  }

  #begin(ranges: readonly (readonly OffsetRange[])[]): Reading {
    const stopping = new AbortController();
    const done = this.#run(this.#left(ranges), stopping.signal).finally(() => {
      this.#reading = null;
    });
    done.catch(() => {});
    return { done, stopping };
  }

  async #run(left: readonly (readonly OffsetRange[])[], signal: AbortSignal): Promise<void> {
    const total = left.flat().reduce((sum, { beginning, end }) => sum + end - beginning, 0);
    let count = 0;
    let loggedMs = performance.now();
    const say = () => {
      this.#progress = `reads ${this.#topics.join(' and ')} to find what was published: ${count} of ${total} offsets`;
    };
    say();
    for (const [index, ranges] of left.entries()) {
      const topic = this.#topics[index] as string;
      await this.#broker.read(
        topic,
        ranges,
        async (delivery) => {
          count += this.#take(topic, delivery);
          say();
          if (performance.now() - loggedMs < LOG_EVERY_MS) return;
          loggedMs = performance.now();
          this.#log.info(`Committed offsets are missing: the service ${this.#progress}`);
        },
        signal,
      );
    }
  }

  /** @returns how many offsets it was */
  #take(topic: string, { partition, records, nextOffset }: Delivery): number {
    for (const record of records) {
      const place =
        topic === this.#topics[0] ? readAnswerPlace(record) : readDeadLetterPlace(record);
      if (!place) continue;
      const lane = `${place.topic}/${place.partition}`;
      this.#answered.set(lane, Math.max(place.offset + 1, this.#answered.get(lane) ?? 0));
    }
    const key = `${topic}/${partition}`;
    const before = this.#read.get(key) ?? 0;
    this.#read.set(key, nextOffset);
    return nextOffset - before;
  }

  #forget(): void {
    this.#read.clear();
    this.#answered.clear();
  }
}
