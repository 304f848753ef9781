import type { PartitionOffset } from '../service-layer/records.ts';

/**
 * How long a lane may stand still. By then the lanes of a dead owner have a new owner, because a
 * session ends after 6 s.
 */
export const STANDSTILL_MS = 10_000;
/**
 * How long a lane waits before a look asks for the ends that bound its wait. Most waits end sooner.
 */
const SHORT_WAIT_MS = STANDSTILL_MS / 2;
/**
 * A longer gap between two looks at a lane means that the process stood still, or that the lane had
 * nothing to decide.
 */
const UNSEEN_MS = 5_000;

/** The lanes of a topic, as far as they are known. */
export interface LaneView {
  /** How far the lane has decided. */
  decidedOffset(lane: PartitionOffset): number;
  /** Whether the lane has noted that it waits for others where it stands. */
  isWaiting(lane: PartitionOffset): boolean;
  /** Whether an operator has paused the lane. */
  isPaused(lane: PartitionOffset): boolean;
  /**
   * The ends that hold up the waiting lane: those not reached, unless their lane waits before a
   * later command.
   */
  blockingEnds(lane: PartitionOffset, ends: readonly PartitionOffset[]): readonly PartitionOffset[];
  /** Where the partitions end at the time of the call, or later. */
  ends(topic: string): Promise<readonly PartitionOffset[]>;
}

/** What the last look at a lane saw. */
interface Sight {
  readonly offset: number;
  /** Since when neither the lane nor the lanes that it waits for have moved. */
  sinceMs: number;
  seenMs: number;
  /** Since when the lane has been seen at this offset. */
  readonly firstMs: number;
  /**
   * Ends beyond which the waiting lane waits for nothing. Null: not known yet. Then the ends of
   * this wait take their place.
   */
  ends: readonly PartitionOffset[] | null;
  isAsking: boolean;
}

/**
 * Finds out for one wait which lanes stand still. A lane stands still when it has not moved for
 * 10 s. A lane that waits for others counts as moving as long as one of those moves. A paused lane
 * counts as moving, because the operator who has paused it lets it go on.
 *
 * No wait goes on for ever, unless a lane stays paused. A waiting lane asks where the other
 * partitions end before it notes its wait. So ends that are asked for later bound its wait. The
 * lanes that it waits for stand before earlier commands, or do not wait. So no two lanes keep each
 * other moving.
 */
export class Standstill {
  readonly #lanes: LaneView;
  readonly #sights = new Map<number, Sight>();
  #moves = 0;
  /** The ends that this wait is for. */
  #own: readonly PartitionOffset[] = [];

  constructor(lanes: LaneView) {
    this.#lanes = lanes;
  }

  /** How many moves of lanes the looks have seen. Each look counts a paused lane as a move. */
  get moves(): number {
    return this.#moves;
  }

  /** Looks at the lanes of these ends. @returns the ends whose lanes stand still */
  look(ends: readonly PartitionOffset[], nowMs: number): readonly PartitionOffset[] {
    const moving = new Map<number, boolean>();
    this.#own = ends;
    return ends.filter((end) => !this.#isMoving(end, nowMs, moving));
  }

  /** Tells whether the lane is paused, or has not moved between the last two looks. */
  hasStood(lane: PartitionOffset): boolean {
    if (this.#lanes.isPaused(lane)) return true;
    const sight = this.#sights.get(lane.partition);
    return sight !== undefined && sight.sinceMs < sight.seenMs;
  }

  /** @param known the results of this look so far: several lanes may wait for the same lane */
  #isMoving(end: PartitionOffset, nowMs: number, known: Map<number, boolean>): boolean {
    const knownMoving = known.get(end.partition);
    if (knownMoving !== undefined) return knownMoving;
    const sight = this.#see(end, nowMs);
    if (this.#lanes.isWaiting(end)) {
      if (nowMs - sight.firstMs > SHORT_WAIT_MS) this.#ask(sight, end);
      const awaited = this.#lanes.blockingEnds(end, sight.ends ?? this.#own);
      // Look at every lane: a lane counts as moving after a long gap between two looks at it.
      const moving = awaited.filter((other) => this.#isMoving(other, nowMs, known));
      if (moving.length > 0) sight.sinceMs = nowMs;
    }
    if (this.#lanes.isPaused(end)) {
      sight.sinceMs = nowMs;
      this.#moves += 1;
    }
    const isMoving = nowMs - sight.sinceMs <= STANDSTILL_MS;
    known.set(end.partition, isMoving);
    return isMoving;
  }

  #see(end: PartitionOffset, nowMs: number): Sight {
    const offset = this.#lanes.decidedOffset(end);
    const former = this.#sights.get(end.partition);
    const isSame = former?.offset === offset;
    if (former && isSame && nowMs - former.seenMs <= UNSEEN_MS) {
      former.seenMs = nowMs;
      return former;
    }
    const ends = isSame ? former.ends : null;
    const sight = { offset, sinceMs: nowMs, seenMs: nowMs, firstMs: nowMs, ends, isAsking: false };
    this.#sights.set(end.partition, sight);
    if (former && !isSame) this.#moves += 1;
    return sight;
  }

  /** Asks in the background where the partitions end. After an error the next look asks again. */
  #ask(sight: Sight, { topic }: PartitionOffset): void {
    if (sight.ends !== null || sight.isAsking) return;
    sight.isAsking = true;
    void this.#lanes.ends(topic).then(
      (ends) => {
        sight.ends = ends;
      },
      () => {
        sight.isAsking = false;
      },
    );
  }
}
