import type { Logger } from 'pino';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import { firstSentMs } from './has-record.ts';
import { LaneWatch, PATIENCE_MS, secondsOf, type WatchedLane } from './lane-watch.ts';
import { PublishingWatch } from './publishing-watch.ts';

interface WatchdogOptions {
  readonly broker: Broker;
  readonly topic: string;
  readonly group: string;
  readonly lanes: () => readonly WatchedLane[];
  readonly log: Logger;
}

/** How often the watchdog asks where the partitions end: one question for all lanes. */
const LOOK_MS = 5_000;
/** A look this late means that the process itself stood still. */
const ASLEEP_MS = 3 * LOOK_MS;
/** How long the watchdog waits for an answer before it asks again. */
const QUESTION_TIMEOUT_MS = 10_000;
/** Longer than the Kafka reader needs to be sure that nothing is left to read. */
const READ_TIMEOUT_MS = 15_000;
/** Bounds the reads at once, because each opens a connection. Other lanes wait for a later look. */
const MAX_READS = 4;

/**
 * Watches from outside whether lanes move, whatever stops them. A lane is stuck when it has records
 * to read, and has neither moved nor read for 30 s. A lane that waits for other lanes moves as long
 * as those do. A lane is stuck as well when its answers do not go out (`publishing-watch.ts`).
 *
 * A partition that ends beyond a lane may still have nothing for the lane: transaction markers and
 * aborted records have offsets that no reader sees. So the watchdog reads the first record that the
 * lane should have seen, before it calls the lane stuck. It asks the lanes nothing and waits for
 * none of them. Its own timers and deadlines bound everything that it does.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #publishing: PublishingWatch;
  readonly #reads = new Set<AbortController>();
  /** The partitions whose answers were stuck at the last look. */
  #unpublished: ReadonlySet<number> = new Set();
  #watches = new Map<number, LaneWatch>();
  #ranges: readonly OffsetRange[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lookedAtMs = 0;
  #answeredAtMs = 0;
  #isAsking = false;
  #lastError = '';

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#publishing = new PublishingWatch(options.lanes);
  }

  start(): void {
    this.#lookedAtMs = Date.now();
    this.#answeredAtMs = this.#lookedAtMs;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watches.clear();
    for (const read of this.#reads) read.abort();
  }

  /** The partitions whose lanes are stuck. */
  get stuckPartitions(): ReadonlySet<number> {
    const watches = [...this.#watches].filter(([, { isStuck }]) => isStuck);
    const unpublished = this.#publishing.stuck(Date.now());
    return new Set([...watches.map(([partition]) => partition), ...unpublished.keys()]);
  }

  /** Where the partitions began and ended at the last look. Empty: not known, or long ago. */
  get ranges(): readonly OffsetRange[] {
    return Date.now() - this.#answeredAtMs > PATIENCE_MS ? [] : this.#ranges;
  }

  /** Returns the send time, in ms, of the command at which the lane is stuck. Null: not known. */
  headSentMs(partition: number): number | null {
    return this.#watches.get(partition)?.headSentMs ?? null;
  }

  /** Says what is wrong, one sentence each. Empty: the watchdog sees nothing wrong. */
  problems(): readonly string[] {
    const nowMs = Date.now();
    const silentMs = this.#timer ? nowMs - this.#answeredAtMs : 0;
    const unread = [...this.#watches.values()]
      .filter(({ isStuck }) => isStuck)
      .map((watch) => watch.describe(nowMs));
    const stuck = [...unread, ...this.#publishing.stuck(nowMs).values()];
    if (silentMs <= PATIENCE_MS) return stuck;
    return [`The log has not answered for ${secondsOf(silentMs)}${this.#lastError}`, ...stuck];
  }

  #look(): void {
    const nowMs = Date.now();
    if (nowMs - this.#lookedAtMs > ASLEEP_MS) this.#forget(nowMs);
    this.#lookedAtMs = nowMs;
    this.#lookAtAnswers(nowMs);
    if (!this.#isAsking) void this.#ask();
  }

  #lookAtAnswers(nowMs: number): void {
    this.#publishing.look(nowMs);
    const stuck = this.#publishing.stuck(nowMs);
    for (const [partition, sentence] of stuck)
      if (!this.#unpublished.has(partition)) this.#options.log.warn(sentence);
    for (const partition of this.#unpublished)
      if (!stuck.has(partition)) this.#options.log.info(`Partition ${partition} publishes again`);
    this.#unpublished = new Set(stuck.keys());
  }

  /** Starts counting anew, because nothing could move while the process stood still. */
  #forget(nowMs: number): void {
    this.#answeredAtMs = nowMs;
    this.#publishing.forget();
    for (const watch of this.#watches.values()) watch.forget();
  }

  async #ask(): Promise<void> {
    const { broker, topic } = this.#options;
    this.#isAsking = true;
    try {
      const ranges = await within(QUESTION_TIMEOUT_MS, broker.offsetRanges(topic));
      this.#answeredAtMs = Date.now();
      this.#lastError = '';
      this.#ranges = ranges;
      if (this.#timer) this.#judge(ranges);
    } catch (error) {
      this.#lastError = `: ${(error as Error).message}`;
    } finally {
      this.#isAsking = false;
    }
  }

  #judge(ranges: readonly OffsetRange[]): void {
    const former = this.#watches;
    this.#watches = new Map(
      this.#options
        .lanes()
        .map((lane) => [lane.partition, this.#watch(lane, former.get(lane.partition))]),
    );
    for (const [partition, { wasStuck }] of former) {
      if (wasStuck && !this.#watches.has(partition))
        this.#options.log.info(`Partition ${partition} was stuck, and its lane has closed`);
    }
    for (const range of ranges) {
      const watch = this.#watches.get(range.partition);
      const unread = watch?.suspect(range, Date.now());
      if (watch && unread && this.#reads.size < MAX_READS) void this.#verify(watch, unread);
    }
  }

  #watch(lane: WatchedLane, former: LaneWatch | undefined): LaneWatch {
    if (!former) return new LaneWatch(lane);
    const watch = former.follow(lane);
    if (watch !== former && former.wasStuck)
      this.#options.log.info(
        `Partition ${lane.partition} moves again, at offset ${lane.nextOffset}`,
      );
    return watch;
  }

  /** Finds out, by reading, whether the lane is stuck. */
  async #verify(watch: LaneWatch, range: OffsetRange): Promise<void> {
    const read = new AbortController();
    const timeout = setTimeout(() => read.abort(), READ_TIMEOUT_MS);
    this.#reads.add(read);
    await watch.judge(range, async () => {
      const nextOffset = watch.nextOffset ?? (await this.#committed(range));
      const beginning = Math.max(range.beginning, nextOffset);
      const { broker, topic } = this.#options;
      return firstSentMs(broker, topic, { ...range, beginning }, read.signal);
    });
    clearTimeout(timeout);
    this.#reads.delete(read);
    const isCurrent = this.#watches.get(range.partition) === watch;
    if (isCurrent && watch.isStuck) this.#options.log.warn(watch.describe(Date.now()));
  }

  /** Returns where a lane that has never worked would go on. */
  async #committed({ partition }: OffsetRange): Promise<number> {
    const { broker, group, topic } = this.#options;
    const offsets = await within(QUESTION_TIMEOUT_MS, broker.committedOffsets(group, topic));
    return offsets[partition] ?? 0;
  }
}

/** Waits for the answer. @throws {Error} no answer came within `ms` */
async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${secondsOf(ms)}`)), ms);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
