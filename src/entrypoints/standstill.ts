import type { PartitionOffset } from '../service-layer/records.ts';

/** So long may a lane stand still. A dead owner's lanes have a new one by then (a session of 6 s). */
export const PATIENCE_MS = 10_000;
/** A lane that waits so long is looked at: does what it waits for move? Most waits end before. */
const SHORT_WAIT_MS = PATIENCE_MS / 2;
/** Nobody has looked for so long: the process stood still, or the lane had nothing to decide. */
const UNSEEN_MS = 5_000;

/** What is known of all lanes of a topic. */
export interface KnownLanes {
  /** How far the lane has decided. */
  decided(lane: PartitionOffset): number;
  /** Whether the lane says that it waits for others where it stands. */
  isWaiting(lane: PartitionOffset): boolean;
  /**
   * Which of these ends hold up the waiting lane: those that are not reached, of lanes that do not
   * wait before a later command.
   */
  holdingUp(lane: PartitionOffset, ends: readonly PartitionOffset[]): readonly PartitionOffset[];
  /** Where the partitions end, asked after the call. */
  ends(topic: string): Promise<readonly PartitionOffset[]>;
}

/** How one lane was seen last. */
interface Sight {
  readonly offset: number;
  /** Since when neither the lane nor what it waits for has moved. */
  sinceMs: number;
  seenMs: number;
  /** Since when the lane has been seen at this offset. */
  readonly firstMs: number;
  /**
   * The lane waits, and has asked for ends that lie no further than these. Null: not known yet. What
   * this wait is for stands in for them.
   */
  ends: readonly PartitionOffset[] | null;
  isAsking: boolean;
}

/**
 * Finds out for one wait which lanes stand still. A lane stands still when it has not moved for
 * 10 s. A lane that waits for others counts as moving as long as one of those moves.
 *
 * That ends. A lane that waits has asked where the others end before it said so. So what is asked
 * afterwards bounds its wait. The lanes that it waits for stand before earlier commands, or do not
 * wait. So no two lanes keep each other moving.
 */
export class Standstill {
  readonly #lanes: KnownLanes;
  readonly #sights = new Map<number, Sight>();
  #moves = 0;
  /** What this wait is for. */
  #own: readonly PartitionOffset[] = [];

  constructor(lanes: KnownLanes) {
    this.#lanes = lanes;
  }

  /** How many moves it has seen. */
  get moves(): number {
    return this.#moves;
  }

  /** @returns those of the ends whose lanes stand still */
  look(ends: readonly PartitionOffset[], nowMs: number): readonly PartitionOffset[] {
    const moving = new Map<number, boolean>();
    this.#own = ends;
    return ends.filter((end) => !this.#isMoving(end, nowMs, moving));
  }

  /** Whether the lane has not moved since the look before the last one. */
  hasStood({ partition }: PartitionOffset): boolean {
    const sight = this.#sights.get(partition);
    return sight !== undefined && sight.sinceMs < sight.seenMs;
  }

  /** @param known what this look has found so far: lanes wait for the same ones */
  #isMoving(end: PartitionOffset, nowMs: number, known: Map<number, boolean>): boolean {
    const found = known.get(end.partition);
    if (found !== undefined) return found;
    const sight = this.#see(end, nowMs);
    if (this.#lanes.isWaiting(end)) {
      if (nowMs - sight.firstMs > SHORT_WAIT_MS) this.#ask(sight, end);
      const awaited = this.#lanes.holdingUp(end, sight.ends ?? this.#own);
      // All are looked at, so that none is taken for unseen.
      const moving = awaited.filter((other) => this.#isMoving(other, nowMs, known));
      if (moving.length > 0) sight.sinceMs = nowMs;
    }
    const isMoving = nowMs - sight.sinceMs <= PATIENCE_MS;
    known.set(end.partition, isMoving);
    return isMoving;
  }

  #see(end: PartitionOffset, nowMs: number): Sight {
    const offset = this.#lanes.decided(end);
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

  /** In the background. Without an answer the next look tries again. */
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
