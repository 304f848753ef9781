import type { OffsetRange } from '../service-layer/broker.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import type { Reopening } from './reopening.ts';

/** The answers that a lane is publishing. */
export interface Publishing {
  /** The answers are to commands below this offset. */
  readonly nextOffset: number;
  /** The partitions whose answers must be published first. */
  readonly awaitedPartitions: readonly number[];
}

/** What a lane waits for, as others see it. */
export interface AwaitedLanes {
  /** The other lanes, in words. */
  readonly lanes: string;
  readonly partitions: readonly number[];
  /** Rises as long as the other lanes move, or are paused. */
  readonly moves: number;
}

/** What the watchdog sees of a lane. Reading it must never wait. */
export interface WatchedLane {
  readonly partition: number;
  /** The offset of the next command. Null: the lane has never worked. */
  readonly nextOffset: number | null;
  /** The offset after the last record that was delivered. */
  readonly readBelowOffset: number;
  /** Why the lane says that it does not work. Null: it says that it works. */
  readonly problem: string | null;
  /** What the lane waits for in other lanes. Null: the lane waits for none. */
  readonly awaited: AwaitedLanes | null;
  /** What the lane is publishing. Null: nothing, or the lane does not work. */
  readonly publishing: Publishing | null;
  /** Who has paused the lane, when and why. Null: nobody. A paused lane is not stuck. */
  readonly pause: LanePause | null;
}

/** What people see of a lane. Reading it must never wait. */
export interface ObservedLane extends WatchedLane {
  /** Why the database does not fit the lane. Null: no misfit is known. */
  readonly refusal: string | null;
  /** How many commands the lane has decided since this process has it, repeats included. */
  readonly decidedCount: number;
  /** Every answer to a command below this offset is published. Null: the lane has never worked. */
  readonly publishedBelowOffset: number | null;
  /**
   * The log's timestamp of the oldest delivered command without a published answer, in ms. Null:
   * there is none, or the lane has never worked.
   */
  readonly oldestUnansweredMs: number | null;
  /** The last time that the lane stopped, or failed to open. Null: it never did. */
  readonly lastReopening: Reopening | null;
}

/** Longer than any pause that a lane ends by itself: a rebalance, a new leader, a new session. */
export const PATIENCE_MS = 30_000;

/**
 * A partition that ends beyond its lane, while the lane does not move:
 *
 *   waiting ──30 s──▶ reading ──a record──▶ stuck
 *      ▲                 │
 *      └────no answer────┘
 *
 * The suspicion ends when the lane moves, or when the reading finds no record up to that end.
 */
interface Suspicion {
  readonly state: 'waiting' | 'reading' | 'stuck';
  /** Where the partition ended when the watchdog first saw it end beyond the lane. */
  readonly end: number;
  readonly sinceMs: number;
}

/** Watches one lane from one move to the next. */
export class LaneWatch {
  readonly nextOffset: number | null;
  readonly #readBelowOffset: number;
  /** The moves of the lanes that this lane waited for. Null: it waited for none. */
  readonly #awaitedMoves: number | null;
  /** The lane as it is now. A lane that was only opened anew has not moved. */
  #lane: WatchedLane;
  /** No reader sees a record for the lane below this offset. */
  #emptyBelow: number;
  #headSentMs: number | null = null;
  #suspicion: Suspicion | null = null;

  constructor(lane: WatchedLane, emptyBelow = 0) {
    this.nextOffset = lane.nextOffset;
    this.#readBelowOffset = lane.readBelowOffset;
    this.#awaitedMoves = lane.awaited?.moves ?? null;
    this.#lane = lane;
    this.#emptyBelow = emptyBelow;
  }

  /** @returns the watch of the lane as it is now: this one, or a new one if the lane has moved */
  follow(lane: WatchedLane): LaneWatch {
    this.#lane = lane;
    if (lane.pause !== null) this.#suspicion = null;
    return this.#hasMoved ? new LaneWatch(lane, this.#emptyBelow) : this;
  }

  get isStuck(): boolean {
    return this.wasStuck && !this.#hasMoved && this.#lane.pause === null;
  }

  /** The send time, in ms, of the command at which the lane is stuck. Null: it is not stuck. */
  get headSentMs(): number | null {
    return this.isStuck ? this.#headSentMs : null;
  }

  /** Whether the lane was stuck until now. It may have moved since the last look. */
  get wasStuck(): boolean {
    return this.#suspicion?.state === 'stuck';
  }

  /**
   * Whether the lane has decided or read something new. A lane that was opened anew begins without
   * a position, and may read the same records again. That is no move.
   */
  get #hasMoved(): boolean {
    const { awaited, nextOffset, readBelowOffset } = this.#lane;
    if (awaited !== null && awaited.moves !== this.#awaitedMoves) return true;
    return (
      (nextOffset !== null && nextOffset !== this.nextOffset) ||
      readBelowOffset > this.#readBelowOffset
    );
  }

  /**
   * Notes where the partition ends.
   * @returns the range in which a record proves that the lane is stuck. Null: it is too early to
   * read.
   */
  suspect(range: OffsetRange, nowMs: number): OffsetRange | null {
    if (this.#lane.pause !== null) return null;
    const beginning = Math.max(this.nextOffset ?? 0, this.#emptyBelow, range.beginning);
    if (range.end <= beginning) return null;
    this.#suspicion ??= { state: 'waiting', end: range.end, sinceMs: nowMs };
    const { state, sinceMs, end } = this.#suspicion;
    if (state !== 'waiting' || nowMs - sinceMs < PATIENCE_MS) return null;
    return { ...range, beginning, end };
  }

  /** Starts counting anew, because the process itself stood still. */
  forget(): void {
    if (this.#suspicion?.state === 'waiting') this.#suspicion = null;
  }

  /**
   * Notes whether a reader sees a record for the lane.
   * @param reading returns the send time of the first such record, in ms; null: a reader sees none.
   * After an error, the next look tries again.
   */
  async judge({ end }: OffsetRange, reading: () => Promise<number | null>): Promise<void> {
    const suspicion = this.#suspicion;
    if (suspicion === null) return;
    this.#suspicion = { ...suspicion, state: 'reading' };
    try {
      this.#headSentMs = await reading();
      const isFull = this.#headSentMs !== null;
      this.#suspicion = isFull ? { ...suspicion, state: 'stuck' } : null;
      if (!isFull) this.#emptyBelow = end;
    } catch {
      // The log does not answer, or a transaction is still open. Then no reader can go on.
      this.#suspicion = suspicion;
    }
  }

  /** Says where the lane stands, since when, and why. */
  describe(nowMs: number): string {
    const { end = 0, sinceMs = 0 } = this.#suspicion ?? {};
    const { partition, problem, awaited } = this.#lane;
    const state =
      this.nextOffset === null ? 'has not opened' : `has stood at offset ${this.nextOffset}`;
    const reason = problem ?? (awaited && `it waits for other lanes: ${awaited.lanes}`);
    return (
      `Partition ${partition} is stuck: it ${state} for ${secondsOf(nowMs - sinceMs)}, ` +
      `and records below offset ${end} wait${reason === null ? '' : ` (${reason})`}`
    );
  }
}

export function secondsOf(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
