import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { LaneStanding, LaneStore } from '../service-layer/lane-store.ts';
import type { Partition, PartitionOffset } from '../service-layer/records.ts';
import { hasRecord } from './has-record.ts';
import { LaneOffsets } from './lane-offsets.ts';
import type { Metrics } from './metrics.ts';
import { type KnownLanes, PATIENCE_MS, Standstill } from './standstill.ts';

/** Most waits end before. Only then do other processes hear of the wait, by a write to the database. */
const FIRST_LOOK_MS = 15;
/** How often the wait looks whether its lane still wants it. Longer than the pause between two questions, or none would be asked. */
const LOOK_MS = 500;
/** Lanes of two processes that wait for each other take turns this slowly. The question is one small query. */
const LONGEST_PAUSE_MS = 40;
/** So often a lane that waits says what it waits for, after the first time. */
const SAY_AGAIN_MS = 30_000;
/** Longer than a reader needs to be sure that a range holds nothing. */
const READ_TIMEOUT_MS = 5_000;

/** What the waits need. */
export interface EarlierContext {
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** A lane that stands before a command which it would reject as unknown, and when that command was sent. */
export type Head = LaneStanding & { readonly nextTimestampMs: number };

/** What a lane waits for, as others see it. */
export interface Awaited {
  /** The other lanes, in words. */
  readonly lanes: string;
  readonly partitions: readonly number[];
  /** Rises as long as they move. */
  readonly moves: number;
}

/** A lane that waits. */
interface Wait {
  readonly head: Head;
  readonly ends: readonly PartitionOffset[];
  readonly beganMs: number;
  readonly standstill: Standstill;
  hasRunOut: boolean;
  sayAtMs: number;
}

/**
 * Sees to it that what was accepted before a command, in whatever lane, is decided before the
 * command is rejected as unknown.
 *
 *   answering ──unknown──▶ asking ──all decided──▶ answering, rejections accepted
 *                            │                        ▲
 *                            └──▶ waiting ──decided, or given up
 *
 * 1. The lane asks where the other partitions end, V, after it has fetched the command. Whatever was
 *    acknowledged before the command was sent lies below V.
 * 2. It waits until the position D of each other lane in the database has reached V.
 *
 * Two lanes may wait for each other. So a lane that waits says when its command was sent, and a lane
 * does not wait for another one that waits before a later command. The lane with the earliest
 * command of all that wait goes on. What a lane has said stays true while it stands there: behind
 * that command nothing is earlier, whether the lane still waits or has died.
 *
 * A lane that moves is waited for as long as it moves: V does not move, so that ends. A lane that
 * cannot move must not hold up others for ever. When it has stood still for 10 s (`standstill.ts`),
 * it is given up, and nobody here waits for it while it stands there.
 */
export class EarlierCommands {
  readonly #context: EarlierContext;
  readonly #decided: LaneOffsets;
  /** What lanes have said last, of this process or, in the database, of any. */
  readonly #said = new Map<string, LaneStanding>();
  /** Where a lane stood when it was given up: nobody waits for it there. */
  readonly #givenUpAt = new Map<string, number>();
  readonly #waits = new Map<string, Wait>();
  /** Below it no reader finds a record for the lane that the lane has not decided. */
  readonly #emptyBelow = new Map<string, number>();
  /** Where a lane stood when there was something to decide for it. */
  readonly #fullFrom = new Map<string, number>();
  /** When the database was read last. */
  #learntAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<unknown> = Promise.resolve();
  #nextRanges: Promise<readonly OffsetRange[]> | null = null;

  constructor(context: EarlierContext) {
    this.#context = context;
    this.#decided = new LaneOffsets((topic) => this.#learn(topic), LONGEST_PAUSE_MS);
  }

  /** The lane has decided everything below. */
  note(lane: PartitionOffset): void {
    this.#decided.note(lane);
  }

  /** Ends the waits that nobody wants any more. */
  look(): void {
    this.#decided.look();
  }

  /** What the lane waits for just now; null: it does not wait. */
  awaitedBy(lane: Partition): Awaited | null {
    const wait = this.#waits.get(nameOf(lane));
    if (!wait) return null;
    const late = this.#holdingUp(wait.head, wait.ends);
    const partitions = late.map(({ partition }) => partition);
    return { lanes: this.#describe(late), partitions, moves: wait.standstill.moves };
  }

  /**
   * Where the other partitions end now, of the lanes that have not decided everything below. Within
   * bounds: a partition whose leader stays away must not hold up other lanes for ever.
   * @param isWanted asked now and then: the lane may close, or open anew
   * @throws {TroubleError} the database cannot be asked
   */
  async undecided(
    lane: PartitionOffset,
    isWanted: () => boolean,
  ): Promise<readonly PartitionOffset[]> {
    const { topic, partition } = lane;
    const ranges = await this.#insistOnRanges(lane, isWanted);
    for (const lane of await this.#learn(topic)) this.#decided.note(lane);
    for (const { partition: other, beginning } of ranges)
      this.#noteEmpty({ topic, partition: other, nextOffset: beginning });
    return this.unreached(endsOf(topic, ranges).filter((end) => end.partition !== partition));
  }

  /** Those of the ends up to which their lanes have not decided, as far as this process knows. */
  unreached(ends: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return ends.filter((end) => !this.#isReached(end));
  }

  /**
   * Waits until the other lanes have come so far, or stand still.
   * @param isWanted the lane may close, or open anew: asked at each `look`, and now and then
   * @returns before which time commands must have been sent that this wait serves, besides that of
   * `head`. Infinity: it serves all that were fetched before `ends` were asked for.
   */
  async wait(
    head: Head,
    ends: readonly PartitionOffset[],
    isWanted: () => boolean,
  ): Promise<number> {
    const beganMs = performance.now();
    const standstill = new Standstill(this.#knownLanes);
    const wait = {
      head,
      ends,
      beganMs,
      standstill,
      hasRunOut: false,
      sayAtMs: beganMs + PATIENCE_MS,
    };
    let servesBeforeMs = Number.POSITIVE_INFINITY;
    const isOver = () => {
      if (!isWanted()) return true;
      const open = ends.filter((end) => !this.#isReached(end));
      if (!open.every((end) => this.#isLater(end, head))) return false;
      servesBeforeMs = Math.min(
        ...open.map((end) => this.#saidBy(end) ?? Number.POSITIVE_INFINITY),
      );
      return true;
    };
    this.#said.set(nameOf(head), head);
    this.#waits.set(nameOf(head), wait);
    standstill.look(this.#holdingUp(head, ends), beganMs);
    this.#decided.look();
    let isSaid = false;
    for (
      let timeoutMs = FIRST_LOOK_MS;
      !(await this.#decided.until(isOver, [head.topic], timeoutMs));
      timeoutMs = LOOK_MS
    ) {
      this.#lookAround(wait);
      if (!isSaid) isSaid = await this.#say(head);
    }
    this.#waits.delete(nameOf(head));
    const ms = performance.now() - beganMs;
    if (isWanted() && !wait.hasRunOut) this.#context.metrics.waited('decided', ms / 1_000);
    return servesBeforeMs;
  }

  /** Gives up lanes that stand still, and says what the wait is for when it lasts. */
  #lookAround(wait: Wait): void {
    const { head, ends, standstill, beganMs } = wait;
    const nowMs = performance.now();
    // While the database is away no lane can move, and none is to blame for it.
    if (nowMs - this.#learntAtMs > 2 * LOOK_MS) return;
    const late = this.#holdingUp(head, ends);
    const still = standstill.look(late, nowMs);
    if (still.length > 0) this.#giveUp(wait, still, nowMs - beganMs);
    this.#lookForRecords(late.filter((end) => standstill.hasStood(end)));
    const moving = late.filter((end) => !still.includes(end));
    if (nowMs < wait.sayAtMs || moving.length === 0) return;
    wait.sayAtMs = nowMs + SAY_AGAIN_MS;
    this.#warn(
      head,
      nowMs - beganMs,
      `${this.#describe(moving)}. It waits on as long as they move`,
    );
  }

  get #knownLanes(): KnownLanes {
    return {
      decided: (lane) => this.#decided.of(lane),
      isWaiting: (lane) => this.#saidBy(lane) !== null,
      holdingUp: (lane, ends) => {
        const others = ends.filter(({ partition }) => partition !== lane.partition);
        return this.#holdingUp({ ...lane, nextTimestampMs: this.#saidBy(lane) ?? 0 }, others);
      },
      ends: async (topic) => endsOf(topic, await this.#ranges(topic)),
    };
  }

  /** The ends that are not reached, but those of lanes that wait before a later command. */
  #holdingUp(head: Head, ends: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return ends.filter((end) => !this.#isReached(end) && !this.#isLater(end, head));
  }

  #isReached(end: PartitionOffset): boolean {
    const place = nameOf(end);
    const decided = Math.max(this.#decided.of(end), this.#emptyBelow.get(place) ?? 0);
    return decided >= end.nextOffset || this.#givenUpAt.get(place) === this.#decided.of(end);
  }

  /** Whether the lane stands before a command that was sent after that of `head`. */
  #isLater(end: PartitionOffset, head: Head): boolean {
    const sentMs = this.#saidBy(end);
    if (sentMs === null || sentMs < head.nextTimestampMs) return false;
    return sentMs > head.nextTimestampMs || end.partition > head.partition;
  }

  /** When the command was sent at which the lane stands. Null: it has not said so, or has moved on. */
  #saidBy(lane: Partition): number | null {
    const said = this.#said.get(nameOf(lane));
    return said && said.nextOffset >= this.#decided.of(lane) ? said.nextTimestampMs : null;
  }

  async #learn(topic: string): Promise<readonly LaneStanding[]> {
    const standings = await this.#context.store.readStandings(topic);
    this.#learntAtMs = performance.now();
    for (const lane of standings) {
      const isOld = lane.nextOffset < (this.#said.get(nameOf(lane))?.nextOffset ?? 0);
      if (lane.nextTimestampMs !== null && !isOld) this.#said.set(nameOf(lane), lane);
    }
    return standings;
  }

  /** One question at a time. It must begin after the call, so a call during a question shares the next one. */
  #ranges(topic: string): Promise<readonly OffsetRange[]> {
    this.#nextRanges ??= this.#asking.then(() => {
      this.#nextRanges = null;
      const ranges = this.#context.broker.offsetRanges(topic);
      this.#asking = ranges.catch(() => {});
      return ranges;
    });
    return this.#nextRanges;
  }

  /** @returns none, when the time is up or the lane wants them no more */
  async #insistOnRanges(
    lane: PartitionOffset,
    isWanted: () => boolean,
  ): Promise<readonly OffsetRange[]> {
    const beganMs = performance.now();
    for (;;) {
      try {
        return await this.#ranges(lane.topic);
      } catch (error) {
        const ms = performance.now() - beganMs;
        if (!isWanted()) return [];
        if (ms > PATIENCE_MS) {
          this.#ranOut(
            lane,
            ms,
            `the log does not say where the partitions end (${(error as Error).message})`,
          );
          return [];
        }
        await sleep(LOOK_MS);
      }
    }
  }

  /** @returns whether it could: else other processes take the lane for one that stands still */
  async #say(head: Head): Promise<boolean> {
    try {
      await this.#context.store.noteNext(head);
      return true;
    } catch (error) {
      this.#context.log.debug(
        `${nameOf(head)} could not say that it waits: ${(error as Error).message}`,
      );
      return false;
    }
  }

  /** Looks, in the background, whether there is anything to decide for lanes that stand still. */
  #lookForRecords(ends: readonly PartitionOffset[]): void {
    const { broker } = this.#context;
    for (const end of ends) {
      const beginning = Math.max(this.#decided.of(end), this.#emptyBelow.get(nameOf(end)) ?? 0);
      if (this.#fullFrom.get(nameOf(end)) === beginning) continue;
      const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
      const { topic, partition, nextOffset } = end;
      void hasRecord(broker, topic, { partition, beginning, end: nextOffset }, signal).then(
        (isFull) => {
          if (isFull) this.#fullFrom.set(nameOf(end), beginning);
          else this.#noteEmpty(end);
          this.#decided.look();
        },
        () => {},
      );
    }
  }

  #noteEmpty(lane: PartitionOffset): void {
    this.#emptyBelow.set(
      nameOf(lane),
      Math.max(lane.nextOffset, this.#emptyBelow.get(nameOf(lane)) ?? 0),
    );
  }

  #giveUp(wait: Wait, still: readonly PartitionOffset[], ms: number): void {
    for (const end of still) this.#givenUpAt.set(nameOf(end), this.#decided.of(end));
    this.#ranOut(wait.head, ms, this.#describe(still), wait.hasRunOut);
    wait.hasRunOut = true;
    this.#decided.look();
  }

  #describe(ends: readonly PartitionOffset[]): string {
    return ends
      .map((end) => `${nameOf(end)} stands at ${this.#decided.of(end)} of ${end.nextOffset}`)
      .join(', ');
  }

  #ranOut(lane: PartitionOffset, ms: number, why: string, isCounted = false): void {
    if (!isCounted) this.#context.metrics.waited('ran-out', ms / 1_000);
    this.#warn(
      lane,
      ms,
      `${why}. It may now reject commands as unknown that those lanes are about to make known`,
    );
  }

  #warn(lane: PartitionOffset, ms: number, why: string): void {
    this.#context.log.warn(
      { lane: nameOf(lane), offset: lane.nextOffset },
      `${nameOf(lane)} has waited ${Math.round(ms / 1_000)} s at offset ${lane.nextOffset} until other lanes decide what was accepted ` +
        `before: ${why}`,
    );
  }
}

function endsOf(topic: string, ranges: readonly OffsetRange[]): readonly PartitionOffset[] {
  return ranges.map(({ partition, end }) => ({ topic, partition, nextOffset: end }));
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
