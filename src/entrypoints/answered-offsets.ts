import { readDeadLetterPlace } from '../dead-letters/encode-dead-letter.ts';
import { laneName } from '../domain/place.ts';
import { readAnswerPlace } from '../messages/answer-place.ts';
import type { Broker, OffsetRange, ReadChunk } from '../service-layer/broker.ts';

/** How far the published answers reach, in each lane of a commands topic. */
export interface AnsweredOffsets {
  /**
   * The offset after the last command with a published answer, by partition of the commands topic.
   * Absent: the topics have no answer of that lane.
   */
  readonly nextOffsets: ReadonlyMap<number, number>;
  /**
   * Whether the topics still have every published answer. If so, a missing answer is unpublished.
   */
  readonly isComplete: boolean;
  /** Whether neither topic ever had a record. */
  readonly isUnused: boolean;
}

/** A caller that waits until the topics are read. */
export interface Watch {
  /** Ends the wait. */
  readonly signal: AbortSignal;
  /** Called now and then with the progress, as a phrase that begins with a verb. */
  readonly onProgress: (text: string) => void;
}

/** Logs the progress of a long reading. */
interface ProgressLog {
  info(text: string): void;
}

/** A reading that has begun. */
interface Reading {
  readonly done: Promise<void>;
  readonly stopping: AbortController;
}

const LOG_EVERY_MS = 5_000;
/**
 * How long an unused result is kept. A topic may be deleted and created again. The results from the
 * former topic are then wrong.
 */
const FORGET_AFTER_MS = 60_000;

/**
 * Finds out how far lanes have published, from the published records. Each record names the place
 * of its command. A lane publishes in order, so every answer below its highest place is published.
 *
 * Callers that ask at the same time share one reading. The reading stops when no caller waits any
 * more. Its results stay for a minute, so that the next reading reads only what is new.
 */
export class AnswerReader {
  readonly #broker: Broker;
  readonly #topics: readonly string[];
  readonly #log: ProgressLog;
  /** The offset after the last record read, by `topic/partition` of the answers. */
  readonly #read = new Map<string, number>();
  /** The offset after the last answered command, by `topic/partition` of the commands. */
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
   * Reads the answers that were published before the call.
   * @throws {TroubleError} the log cannot be reached, or a transaction stays open
   * @throws the reason of `watch.signal`, once it aborts
   */
  async read(commandsTopic: string, watch: Watch): Promise<AnsweredOffsets> {
    if (performance.now() - this.#usedMs > FORGET_AFTER_MS && this.#waiting === 0) this.#forget();
    const ranges = await this.#ranges();
    const compacted = await Promise.all(
      this.#topics.map((topic) => this.#broker.isCompacted(topic)),
    );
    while (!this.#isRead(ranges)) await this.#join(ranges, watch);
    this.#usedMs = performance.now();
    // Ask again, because retention may have deleted answers while the topics were read.
    const remaining = await this.#ranges();
    return {
      nextOffsets: this.#answeredOf(commandsTopic),
      isComplete:
        !compacted.includes(true) && remaining.flat().every(({ beginning }) => beginning === 0),
      isUnused: ranges.flat().every(({ end }) => end === 0),
    };
  }

  /** Returns the answered offsets of one commands topic, by partition. */
  #answeredOf(commandsTopic: string): ReadonlyMap<number, number> {
    const answered = new Map<number, number>();
    for (const [lane, nextOffset] of this.#answered) {
      const slash = lane.lastIndexOf('/');
      if (lane.slice(0, slash) !== commandsTopic) continue;
      answered.set(Number(lane.slice(slash + 1)), nextOffset);
    }
    return answered;
  }

  #ranges(): Promise<readonly (readonly OffsetRange[])[]> {
    return Promise.all(this.#topics.map((topic) => this.#broker.offsetRanges(topic)));
  }

  #isRead(ranges: readonly (readonly OffsetRange[])[]): boolean {
    return this.#left(ranges).flat().length === 0;
  }

  /** Returns the ranges that are still to be read, by topic. */
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

  /**
   * Waits for the reading under way, or begins one. Resolves also when that reading has stopped
   * because no caller waited for it. The caller then begins another one.
   */
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
      this.#progress =
        `reads ${this.#topics.join(' and ')} to find what was published: ` +
        `${count} of ${total} offsets`;
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

  /** Notes the answers in the chunk. @returns how many offsets the chunk covers */
  #take(topic: string, { partition, records, nextOffset }: ReadChunk): number {
    for (const record of records) {
      const place =
        topic === this.#topics[0] ? readAnswerPlace(record) : readDeadLetterPlace(record);
      if (!place) continue;
      const lane = laneName(place);
      this.#answered.set(lane, Math.max(place.offset + 1, this.#answered.get(lane) ?? 0));
    }
    const key = laneName({ topic, partition });
    const before = this.#read.get(key) ?? 0;
    this.#read.set(key, nextOffset);
    return nextOffset - before;
  }

  #forget(): void {
    this.#read.clear();
    this.#answered.clear();
  }
}
