import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Broker, LaneStanding, LaneStore, OffsetRange, Partition, PartitionOffset } from '../service-layer/unit-of-work.ts';
import { hasRecord } from './has-record.ts';
import { LaneOffsets } from './lane-offsets.ts';
import type { Metrics } from './metrics.ts';

/** Most waits end before. Only then do other processes hear of the wait, by a write to the database. */
const FIRST_LOOK_MS = 15;
/** How often the wait looks whether its lane still wants it. Longer than the pause between two questions, or none would be asked. */
const LOOK_MS = 500;
/** Lanes of two processes that wait for each other take turns this slowly. The question is one small query. */
const LONGEST_PAUSE_MS = 40;
/** So long may a lane stand still. A dead owner's lanes have a new one by then (a session of 6 s). */
const PATIENCE_MS = 10_000;
/** Lanes that move may take longer, but not until the watchdog calls the waiting lane stuck (30 s). */
const LONGEST_WAIT_MS = 25_000;
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

/**
 * Sees to it that what was accepted before a command, in whatever lane, is decided before the
 * command is rejected as unknown.
 *
 *   answering ──unknown──▶ asking ──all decided──▶ answering, rejections accepted
 *                            │                        ▲
 *                            └──▶ waiting ──decided, or the time is up
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
 * A lane that cannot move must not hold up others for ever. When the time is up, the rejection is
 * accepted, and nobody here waits for that lane again until it has reached the V of that wait.
 */
export class EarlierCommands {
  readonly #context: EarlierContext;
  readonly #decided: LaneOffsets;
  /** What lanes have said last, of this process or, in the database, of any. */
  readonly #said = new Map<string, LaneStanding>();
  /** Below it nobody waits for the lane. */
  readonly #givenUpBelow = new Map<string, number>();
  /** Below it no reader finds a record for the lane that the lane has not decided. */
  readonly #emptyBelow = new Map<string, number>();
  /** Where a lane stood when there was something to decide for it. */
  readonly #fullFrom = new Map<string, number>();
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

  /**
   * Where the other partitions end now, of the lanes that have not decided everything below. Within
   * bounds: a partition whose leader stays away must not hold up other lanes for ever.
   * @param isWanted asked now and then: the lane may close, or open anew
   * @throws {TroubleError} the database cannot be asked
   */
  async undecided(lane: PartitionOffset, isWanted: () => boolean): Promise<readonly PartitionOffset[]> {
    const { topic, partition } = lane;
    const ranges = await this.#insistOnRanges(lane, isWanted);
    for (const lane of await this.#learn(topic)) this.#decided.note(lane);
    for (const { partition: other, beginning } of ranges) this.#noteEmpty({ topic, partition: other, nextOffset: beginning });
    const ends = ranges.map((range) => ({ topic, partition: range.partition, nextOffset: range.end }));
    return ends.filter((end) => end.partition !== partition && !this.#isReached(end));
  }

  /**
   * Waits until the other lanes have come so far, within bounds.
   * @param isWanted asked now and then: the lane may close, or open anew
   * @returns before which time commands must have been sent that this wait serves, besides that of
   * `head`. Infinity: it serves all that were fetched before `ends` were asked for.
   */
  async wait(head: Head, ends: readonly PartitionOffset[], isWanted: () => boolean): Promise<number> {
    const beganMs = performance.now();
    let movedMs = beganMs;
    let standings = this.#standings(ends);
    let servesBeforeMs = Number.POSITIVE_INFINITY;
    const isOver = () => {
      const open = ends.filter((end) => !this.#isReached(end));
      if (!open.every((end) => this.#isLater(end, head))) return false;
      servesBeforeMs = Math.min(...open.map((end) => this.#saidBy(end) ?? Number.POSITIVE_INFINITY));
      return true;
    };
    this.#said.set(nameOf(head), head);
    this.#decided.look();
    for (let timeoutMs = FIRST_LOOK_MS; !(await this.#decided.until(isOver, [head.topic], timeoutMs)); timeoutMs = LOOK_MS) {
      if (!isWanted()) return servesBeforeMs;
      const nowMs = performance.now();
      const now = this.#standings(ends);
      if (now !== standings) movedMs = nowMs;
      standings = now;
      if (nowMs - movedMs > PATIENCE_MS || nowMs - beganMs > LONGEST_WAIT_MS) {
        this.#giveUp(head, ends, nowMs - beganMs);
        return servesBeforeMs;
      }
      if (timeoutMs === FIRST_LOOK_MS) await this.#say(head);
      if (movedMs !== nowMs) this.#lookForRecords(ends.filter((end) => !this.#isReached(end)));
    }
    this.#context.metrics.waited('decided', (performance.now() - beganMs) / 1_000);
    return servesBeforeMs;
  }

  #isReached(end: PartitionOffset): boolean {
    const place = nameOf(end);
    const decided = Math.max(this.#decided.of(end), this.#emptyBelow.get(place) ?? 0);
    return decided >= end.nextOffset || decided < (this.#givenUpBelow.get(place) ?? 0);
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

  #standings(ends: readonly PartitionOffset[]): string {
    return ends.map((end) => this.#decided.of(end)).join();
  }

  async #learn(topic: string): Promise<readonly LaneStanding[]> {
    const standings = await this.#context.store.readStandings(topic);
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
  async #insistOnRanges(lane: PartitionOffset, isWanted: () => boolean): Promise<readonly OffsetRange[]> {
    const beganMs = performance.now();
    for (;;) {
      try {
        return await this.#ranges(lane.topic);
      } catch (error) {
        const ms = performance.now() - beganMs;
        if (!isWanted()) return [];
        if (ms > PATIENCE_MS) {
          this.#ranOut(lane, ms, `the log does not say where the partitions end (${(error as Error).message})`);
          return [];
        }
        await sleep(LOOK_MS);
      }
    }
  }

  /** Without it other processes' lanes wait until their time is up: the next look tries again. */
  async #say(head: Head): Promise<void> {
    await this.#context.store.noteNext(head).catch((error: Error) => {
      this.#context.log.debug(`${nameOf(head)} could not say that it waits: ${error.message}`);
    });
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
    this.#emptyBelow.set(nameOf(lane), Math.max(lane.nextOffset, this.#emptyBelow.get(nameOf(lane)) ?? 0));
  }

  #giveUp(head: Head, ends: readonly PartitionOffset[], ms: number): void {
    const late = ends.filter((end) => !this.#isReached(end) && !this.#isLater(end, head));
    for (const end of late) this.#givenUpBelow.set(nameOf(end), end.nextOffset);
    const lanes = late.map((end) => `${nameOf(end)} stands at ${this.#decided.of(end)} of ${end.nextOffset}`);
    this.#ranOut(head, ms, lanes.join(', '));
  }

  #ranOut(lane: PartitionOffset, ms: number, why: string): void {
    this.#context.metrics.waited('ran-out', ms / 1_000);
    this.#context.log.warn(
      { lane: nameOf(lane), offset: lane.nextOffset },
      `${nameOf(lane)} has waited ${Math.round(ms / 1_000)} s at offset ${lane.nextOffset} until other lanes decide what was accepted ` +
        `before: ${why}. It now rejects commands as unknown that those lanes may be about to make known`,
    );
  }
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
