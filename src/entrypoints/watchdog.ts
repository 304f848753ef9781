import type { Logger } from 'pino';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { Awaited } from './earlier-commands.ts';
import { hasRecord } from './has-record.ts';

/** What the watchdog sees of a lane. Reading it must never wait. */
export interface WatchedLane {
  readonly partition: number;
  /** The offset of the next command; null until the lane has worked once. */
  readonly nextOffset: number | null;
  /** Where the deliveries so far end, the furthest. */
  readonly readBelowOffset: number;
  /** Why the lane says that it does not work; null: it says that it works. */
  readonly problem: string | null;
  /** What the lane waits for in other lanes; null: it does not wait for any. */
  readonly awaited: Awaited | null;
}

export interface WatchdogOptions {
  readonly broker: Broker;
  readonly topic: string;
  readonly group: string;
  readonly lanes: () => readonly WatchedLane[];
  readonly log: Logger;
}

/** How often the watchdog asks where the partitions end: one question for all lanes. */
const LOOK_MS = 5_000;
/** Longer than any pause that a lane ends by itself: a rebalance, a new leader, a new session. */
const PATIENCE_MS = 30_000;
/** A look this late means that the process itself stood still. */
const ASLEEP_MS = 3 * LOOK_MS;
/** Then the watchdog asks anew. */
const QUESTION_TIMEOUT_MS = 10_000;
/** Longer than the Kafka reader needs to be sure that nothing is left to read. */
const READ_TIMEOUT_MS = 15_000;
/** Each read opens a connection. Lanes beyond these have their turn at a later look. */
const MAX_READS = 4;

/**
 * A partition that ends beyond its lane, and a lane that has not moved since:
 *
 *   waiting ──30 s──▶ reading ──a record──▶ stuck
 *      ▲                 │
 *      └────no answer────┘
 *
 * It is dropped when the lane moves, or when there is nothing to read up to that end.
 */
interface Suspicion {
  readonly state: 'waiting' | 'reading' | 'stuck';
  /** Where the partition ended when the watchdog first saw it end beyond the lane. */
  readonly end: number;
  readonly sinceMs: number;
}

/** How far a partition's lane was when the watchdog first saw it there. */
interface Watch {
  /** The lane of today: one that was opened anew has not moved by that. */
  lane: WatchedLane;
  readonly nextOffset: number | null;
  readonly readBelowOffset: number;
  /** How far the lanes had come that it waits for. Null: it waited for none. */
  readonly awaitedMoves: number | null;
  /** Below it no reader finds a record for the lane. */
  emptyBelow: number;
  suspicion: Suspicion | null;
}

/**
 * Watches from outside whether lanes move, whatever keeps them. A lane is stuck when it has records
 * to read and has neither moved nor read for 30 s. A lane that waits for other lanes moves as long
 * as those do.
 *
 * A partition that ends beyond a lane may still hold nothing for it: markers and aborted records of
 * transactions have offsets that no reader sees. So before the watchdog calls a lane stuck, it reads
 * until the first record that the lane should have seen. It asks nothing of the lanes and awaits
 * none of them. Its own timers and deadlines bound everything that it does.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #reads = new Set<AbortController>();
  #watches = new Map<number, Watch>();
  #timer: NodeJS.Timeout | undefined;
  #lookedAtMs = 0;
  #answeredAtMs = 0;
  #isAsking = false;
  #lastError = '';

  constructor(options: WatchdogOptions) {
    this.#options = options;
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

  /** How many lanes are stuck. */
  get stuckLanes(): number {
    return [...this.#watches.values()].filter(isStuck).length;
  }

  /** What is wrong, one sentence each; empty: nothing that the watchdog sees. */
  problems(): readonly string[] {
    const silentMs = this.#timer ? Date.now() - this.#answeredAtMs : 0;
    const stuck = [...this.#watches.values()].filter(isStuck).map((watch) => this.#describe(watch));
    if (silentMs <= PATIENCE_MS) return stuck;
    return [`The log has not answered for ${seconds(silentMs)}${this.#lastError}`, ...stuck];
  }

  #look(): void {
    const nowMs = Date.now();
    if (nowMs - this.#lookedAtMs > ASLEEP_MS) this.#forget(nowMs);
    this.#lookedAtMs = nowMs;
    if (!this.#isAsking) void this.#ask();
  }

  /** Begins anew: nothing could move while the process stood still. */
  #forget(nowMs: number): void {
    this.#answeredAtMs = nowMs;
    for (const watch of this.#watches.values())
      if (watch.suspicion?.state === 'waiting') watch.suspicion = null;
  }

  async #ask(): Promise<void> {
    const { broker, topic } = this.#options;
    this.#isAsking = true;
    try {
      const ranges = await within(QUESTION_TIMEOUT_MS, broker.offsetRanges(topic));
      this.#answeredAtMs = Date.now();
      this.#lastError = '';
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
    for (const [partition, { lane, suspicion }] of former) {
      const isGone = suspicion?.state === 'stuck' && !this.#watches.has(partition);
      if (isGone) this.#options.log.info(`${this.#nameOf(lane)} was stuck, and is closed`);
    }
    for (const range of ranges) {
      const watch = this.#watches.get(range.partition);
      if (watch) this.#suspect(watch, range);
    }
  }

  /** The same watch as before; a new one when the lane has moved. */
  #watch(lane: WatchedLane, former: Watch | undefined): Watch {
    if (former) former.lane = lane;
    if (former && !hasMoved(former)) return former;
    const { nextOffset, readBelowOffset } = lane;
    if (former?.suspicion?.state === 'stuck')
      this.#options.log.info(`${this.#nameOf(lane)} moves again, at offset ${nextOffset}`);
    const awaitedMoves = lane.awaited?.moves ?? null;
    return {
      lane,
      nextOffset,
      readBelowOffset,
      awaitedMoves,
      emptyBelow: former?.emptyBelow ?? 0,
      suspicion: null,
    };
  }

  #suspect(watch: Watch, range: OffsetRange): void {
    const nowMs = Date.now();
    const beginning = Math.max(watch.nextOffset ?? 0, watch.emptyBelow, range.beginning);
    if (range.end <= beginning) return;
    watch.suspicion ??= { state: 'waiting', end: range.end, sinceMs: nowMs };
    const { state, sinceMs, end } = watch.suspicion;
    if (state !== 'waiting' || nowMs - sinceMs < PATIENCE_MS || this.#reads.size >= MAX_READS)
      return;
    void this.#verify(watch, watch.suspicion, { ...range, beginning, end });
  }

  /** Decides, by reading, whether the lane is stuck. When that is not known in time, the next look tries again. */
  async #verify(watch: Watch, suspicion: Suspicion, range: OffsetRange): Promise<void> {
    watch.suspicion = { ...suspicion, state: 'reading' };
    const read = new AbortController();
    const timeout = setTimeout(() => read.abort(), READ_TIMEOUT_MS);
    this.#reads.add(read);
    try {
      const beginning = Math.max(
        range.beginning,
        watch.nextOffset ?? (await this.#committed(range)),
      );
      const { broker, topic } = this.#options;
      const isFull = await hasRecord(broker, topic, { ...range, beginning }, read.signal);
      watch.suspicion = isFull ? { ...suspicion, state: 'stuck' } : null;
      if (!isFull) watch.emptyBelow = range.end;
    } catch {
      // No answer, or a transaction that is still open: then no reader can go on.
      watch.suspicion = suspicion;
    } finally {
      clearTimeout(timeout);
      this.#reads.delete(read);
    }
    const isCurrent = this.#watches.get(range.partition) === watch;
    if (isCurrent && isStuck(watch)) this.#options.log.warn(this.#describe(watch));
  }

  /** Where a lane that has never worked would go on. */
  async #committed({ partition }: OffsetRange): Promise<number> {
    const { broker, group, topic } = this.#options;
    return (
      (await within(QUESTION_TIMEOUT_MS, broker.committedOffsets(group, topic)))[partition] ?? 0
    );
  }

  #describe({ lane, nextOffset, suspicion }: Watch): string {
    const { end = 0, sinceMs = 0 } = suspicion ?? {};
    const place = nextOffset === null ? 'has not opened' : `has stood at offset ${nextOffset}`;
    const reason =
      lane.problem ?? (lane.awaited && `it waits for other lanes: ${lane.awaited.lanes}`);
    const why = reason === null ? '' : ` (${reason})`;
    return `${this.#nameOf(lane)} is stuck: it ${place} for ${seconds(Date.now() - sinceMs)}, and records below offset ${end} wait${why}`;
  }

  #nameOf({ partition }: WatchedLane): string {
    return `Lane ${this.#options.topic}/${partition}`;
  }
}

/** A lane that was opened anew begins without a position, and may read again what was read before. */
function hasMoved({ lane, nextOffset, readBelowOffset, awaitedMoves }: Watch): boolean {
  const { awaited } = lane;
  if (awaited !== null && awaited.moves !== awaitedMoves) return true;
  return (
    (lane.nextOffset !== null && lane.nextOffset !== nextOffset) ||
    lane.readBelowOffset > readBelowOffset
  );
}

function isStuck(watch: Watch): boolean {
  return watch.suspicion?.state === 'stuck' && !hasMoved(watch);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

/** @throws {Error} there is no answer within so many milliseconds */
async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${seconds(ms)}`)), ms);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
