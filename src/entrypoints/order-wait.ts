import type { Logger } from 'pino';
import { laneName } from '../domain/place.ts';
import type { LaneStore } from '../service-layer/lane-store.ts';
import type { PartitionOffset } from '../service-layer/records.ts';
import type { Head, KnownLanes } from './known-lanes.ts';
import type { AwaitedLanes } from './lane-watch.ts';
import type { LaneMetrics } from './metrics/lane-metrics.ts';
import { STANDSTILL_MS, Standstill } from './standstill.ts';

/** How long a wait lasts before it is noted in the database. Most waits end sooner. */
const FIRST_LOOK_MS = 15;
/**
 * How often a wait checks whether its lane still wants to wait. This time must be longer than the
 * pause between two questions. Otherwise no question would ever be asked.
 */
export const LOOK_MS = 500;
/** How often a long wait logs what it waits for, after the first time. */
const LOG_AGAIN_MS = 30_000;

interface WaitContext {
  readonly lanes: KnownLanes;
  readonly store: LaneStore;
  readonly metrics: LaneMetrics;
  readonly log: Logger;
}

/**
 * Waits, for `earlier-commands.ts`, until other lanes reach the ends of their partitions, or stand
 * still. `delivery-order.ts` decides which commands wait.
 */
export class OrderWait {
  readonly #head: Head;
  readonly #ends: readonly PartitionOffset[];
  readonly #isWanted: () => boolean;
  readonly #context: WaitContext;
  readonly #beganMs = performance.now();
  readonly #standstill: Standstill;
  #hasRunOut = false;
  #logAtMs = this.#beganMs + STANDSTILL_MS;
  #servesBeforeMs = Number.POSITIVE_INFINITY;

  /** @param isWanted false when the lane closes, or opens anew */
  constructor(
    head: Head,
    ends: readonly PartitionOffset[],
    isWanted: () => boolean,
    context: WaitContext,
  ) {
    this.#head = head;
    this.#ends = ends;
    this.#isWanted = isWanted;
    this.#context = context;
    this.#standstill = new Standstill(context.lanes.view);
  }

  get awaited(): AwaitedLanes {
    const { lanes } = this.#context;
    const late = lanes.blockingEnds(this.#head, this.#ends);
    const partitions = late.map(({ partition }) => partition);
    return { lanes: lanes.describe(late), partitions, moves: this.#standstill.moves };
  }

  /** Waits. @returns a time in ms: the wait serves the commands that were sent before this time */
  async run(): Promise<number> {
    const { lanes, metrics } = this.#context;
    this.#standstill.look(lanes.blockingEnds(this.#head, this.#ends), this.#beganMs);
    lanes.look();
    const isOver = () => this.#isOver();
    let isNoted = false;
    let timeoutMs = FIRST_LOOK_MS;
    while (!(await lanes.until(isOver, this.#head.topic, timeoutMs))) {
      timeoutMs = LOOK_MS;
      this.#lookAround();
      if (!isNoted) isNoted = await this.#noteInDatabase();
    }
    const ms = performance.now() - this.#beganMs;
    if (this.#isWanted() && !this.#hasRunOut) metrics.countWait('decided', ms / 1_000);
    return this.#servesBeforeMs;
  }

  #isOver(): boolean {
    const { lanes } = this.#context;
    if (!this.#isWanted()) return true;
    const open = this.#ends.filter((end) => !lanes.isReached(end));
    if (!open.every((end) => lanes.isLater(end, this.#head))) return false;
    this.#servesBeforeMs = Math.min(...open.map((end) => lanes.aheadBeforeMs(end, this.#head)));
    return true;
  }

  /** Gives up lanes that stand still, and logs what a long wait is for. */
  #lookAround(): void {
    const { lanes } = this.#context;
    const nowMs = performance.now();
    // No lane can move while the database cannot be reached. Give none of them up.
    if (nowMs - lanes.readAtMs > 2 * LOOK_MS) return;
    const late = lanes.blockingEnds(this.#head, this.#ends);
    const still = this.#standstill.look(late, nowMs);
    if (still.length > 0) this.#giveUp(still, nowMs - this.#beganMs);
    lanes.lookForRecords(late.filter((end) => this.#standstill.hasStood(end)));
    const moving = late.filter((end) => !still.includes(end));
    if (nowMs < this.#logAtMs || moving.length === 0) return;
    this.#logAtMs = nowMs + LOG_AGAIN_MS;
    const why = `${lanes.describe(moving)}. The wait goes on as long as they move or are paused`;
    logWait(this.#context.log, this.#head, nowMs - this.#beganMs, why);
  }

  #giveUp(still: readonly PartitionOffset[], ms: number): void {
    const { lanes } = this.#context;
    lanes.giveUp(still);
    reportRunOut(this.#context, this.#head, ms, lanes.describe(still), this.#hasRunOut);
    this.#hasRunOut = true;
    lanes.look();
  }

  /**
   * Notes the wait for other processes. Without the note, they see a lane that stands still.
   * @returns whether that succeeded
   */
  async #noteInDatabase(): Promise<boolean> {
    const { store, log } = this.#context;
    try {
      await store.noteNext(this.#head);
      return true;
    } catch (error) {
      log.debug(
        `${laneName(this.#head)} could not note in the database that it waits for other lanes, ` +
          `and tries again: ${(error as Error).message}`,
      );
      return false;
    }
  }
}

/**
 * Logs that the lane waits no longer, though other lanes have not decided everything.
 * @param isCounted whether the metrics have counted this wait already
 */
export function reportRunOut(
  { metrics, log }: Pick<WaitContext, 'metrics' | 'log'>,
  lane: PartitionOffset,
  ms: number,
  why: string,
  isCounted = false,
): void {
  if (!isCounted) metrics.countWait('ran-out', ms / 1_000);
  const effect = 'The lane may now reject commands that name what another lane is about to create';
  logWait(log, lane, ms, `${why}. ${effect}`);
}

function logWait(log: Logger, lane: PartitionOffset, ms: number, why: string): void {
  log.warn(
    { lane: laneName(lane), offset: lane.nextOffset },
    `${laneName(lane)} has waited ${Math.round(ms / 1_000)} s at offset ${lane.nextOffset} ` +
      `for other lanes to decide what was accepted before: ${why}`,
  );
}
