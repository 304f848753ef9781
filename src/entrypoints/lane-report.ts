import type { OffsetRange } from '../service-layer/broker.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import type { ObservedLane } from './lane-watch.ts';
import type { Reopening } from './reopening.ts';

/** What a lane of this process does. If several states fit a lane, the first one counts. */
export const REPORTED_STATES = ['refused', 'paused', 'stuck', 'opening', 'working'] as const;
export type ReportedState = (typeof REPORTED_STATES)[number];

/** One lane of this process at one moment, for people and for metrics. Null: not known. */
export interface LaneReport {
  readonly partition: number;
  readonly state: ReportedState;
  /** Why the lane does not work. Null: it works. */
  readonly problem: string | null;
  /** D: the offset of the next command to decide. */
  readonly position: number | null;
  /** C: every answer to a command below this offset is published and committed. */
  readonly committedOffset: number | null;
  /** Where the partition ended up to 5 s ago. */
  readonly endOffset: number | null;
  /** How many offsets the lane has still to decide. */
  readonly lagMessages: number | null;
  /** The age of the oldest command without a published answer. 0: nothing waits. */
  readonly lagSeconds: number | null;
  /** How many commands the lane has decided since this process has it, repeats included. */
  readonly decidedCount: number;
  readonly lastReopening: Reopening | null;
  readonly pause: LanePause | null;
}

/** What the watchdog knows of a partition. */
interface Watched {
  readonly stuckPartitions: ReadonlySet<number>;
  readonly ranges: readonly OffsetRange[];
  headSentMs(partition: number): number | null;
}

/** Reports the lanes of this process from memory. It asks nobody, so each caller may ask often. */
export class LaneReports {
  readonly #lanes: () => readonly ObservedLane[];
  readonly #watched: Watched;

  constructor(lanes: () => readonly ObservedLane[], watched: Watched) {
    this.#lanes = lanes;
    this.#watched = watched;
  }

  /** Returns the lanes as they are now, in the order of their partitions. */
  now(): readonly LaneReport[] {
    const nowMs = Date.now();
    const stuck = this.#watched.stuckPartitions;
    return this.#lanes()
      .map((lane) => this.#report(lane, stuck.has(lane.partition), nowMs))
      .toSorted((one, other) => one.partition - other.partition);
  }

  #report(lane: ObservedLane, isStuck: boolean, nowMs: number): LaneReport {
    const { partition, problem, nextOffset, lastReopening, pause } = lane;
    const range = this.#watched.ranges.find((each) => each.partition === partition) ?? null;
    const state = stateOf(lane, isStuck);
    return {
      partition,
      state,
      problem,
      position: nextOffset,
      committedOffset: lane.publishedBelowOffset,
      // The end is up to 5 s old, and the lane may be further by now.
      endOffset: range && Math.max(range.end, nextOffset ?? 0),
      lagMessages:
        range === null || nextOffset === null
          ? null
          : Math.max(0, range.end - Math.max(range.beginning, nextOffset)),
      lagSeconds: this.#lagSeconds(lane, nowMs),
      decidedCount: lane.decidedCount,
      lastReopening,
      pause,
    };
  }

  /**
   * Returns the age of the oldest delivered command without a published answer. If a working lane
   * has no such command, its lag is 0: its partition may end with transaction markers, which no
   * reader sees.
   */
  #lagSeconds({ partition, oldestUnansweredMs, problem }: ObservedLane, nowMs: number) {
    const sentMs = oldestUnansweredMs ?? this.#watched.headSentMs(partition);
    if (sentMs !== null) return Math.max(0, nowMs - sentMs) / 1_000;
    return problem === null ? 0 : null;
  }
}

function stateOf({ refusal, pause, problem }: ObservedLane, isStuck: boolean): ReportedState {
  if (refusal !== null) return 'refused';
  if (pause !== null) return 'paused';
  if (isStuck) return 'stuck';
  return problem === null ? 'working' : 'opening';
}
