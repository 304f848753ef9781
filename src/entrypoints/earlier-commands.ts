import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { laneName } from '../domain/place.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { LaneStore } from '../service-layer/lane-store.ts';
import type { Partition, PartitionOffset } from '../service-layer/records.ts';
import { type Head, KnownLanes } from './known-lanes.ts';
import type { AwaitedLanes } from './lane-watch.ts';
import type { LaneMetrics } from './metrics/lane-metrics.ts';
import { LOOK_MS, OrderWait, reportRunOut } from './order-wait.ts';
import { endsOf, PartitionEnds } from './partition-ends.ts';
import { STANDSTILL_MS } from './standstill.ts';

interface EarlierContext {
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly metrics: LaneMetrics;
  readonly log: Logger;
}

/**
 * Makes a lane wait, before it rejects a command as unknown, until all lanes have decided what was
 * accepted before that command.
 *
 *   answering ──unknown──▶ asking ──all decided──▶ answering, rejections accepted
 *                            │                        ▲
 *                            └──▶ waiting ──decided, or given up
 *
 * 1. The lane asks for the ends V of the other partitions, after it has fetched the command.
 *    Everything that was acknowledged before the command was sent lies below V.
 * 2. The lane waits until the position D of each other lane in the database has reached V.
 *
 * Two lanes may wait for each other. So a waiting lane notes when its command was sent. No lane
 * waits for a lane whose noted command is later than its own. The lane with the earliest command
 * goes on. A note stays true while its lane stands there, even if the lane has died: all commands
 * behind the noted one are later.
 *
 * A lane waits for another lane as long as the other lane moves. The wait ends, because V does not
 * move. A lane that cannot move must not hold up others for ever. After a standstill of 10 s
 * (`standstill.ts`), no lane of this process waits for that lane while it stands there. A lane that
 * an operator has paused is not given up: a rejection could not be taken back.
 */
export class EarlierCommands {
  readonly #context: EarlierContext;
  readonly #ends: PartitionEnds;
  readonly #lanes: KnownLanes;
  readonly #waits = new Map<string, OrderWait>();

  constructor(context: EarlierContext) {
    this.#context = context;
    this.#ends = new PartitionEnds(context.broker);
    this.#lanes = new KnownLanes(context.broker, context.store, this.#ends);
  }

  /** Notes that the lane has decided everything below `nextOffset`. */
  note(lane: PartitionOffset): void {
    this.#lanes.note(lane);
  }

  /** Ends the waits that no lane wants any more. */
  look(): void {
    this.#lanes.look();
  }

  /** What the lane waits for at the moment. Null: the lane does not wait. */
  awaitedLanesOf(lane: Partition): AwaitedLanes | null {
    return this.#waits.get(laneName(lane))?.awaited ?? null;
  }

  /**
   * Asks where the other partitions end now. Returns the ends that their lanes have not reached.
   * The time is bounded, because a partition without a leader must not hold up other lanes for
   * ever.
   * @param isWanted false when the lane closes, or opens anew; called now and then
   * @throws {TroubleError} the database cannot be reached
   */
  async undecidedEnds(
    lane: PartitionOffset,
    isWanted: () => boolean,
  ): Promise<readonly PartitionOffset[]> {
    const { topic, partition } = lane;
    const ranges = await this.#askPatiently(lane, isWanted);
    await this.#lanes.refresh(topic);
    for (const { partition: other, beginning } of ranges)
      this.#lanes.noteEmpty({ topic, partition: other, nextOffset: beginning });
    return this.unreachedEnds(endsOf(topic, ranges).filter((end) => end.partition !== partition));
  }

  /** Returns the ends that their lanes have not reached, as far as this process knows. */
  unreachedEnds(ends: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return ends.filter((end) => !this.#lanes.isReached(end));
  }

  /**
   * Waits until the other lanes reach the ends, or stand still.
   * @param isWanted false when the lane closes, or opens anew; called at each `look`, and now and
   * then
   * @returns a time in ms: the wait serves the command of `head`, and every command that was sent
   * before this time. Infinity: it serves all that was fetched before the question for `ends`.
   */
  async wait(
    head: Head,
    ends: readonly PartitionOffset[],
    isWanted: () => boolean,
  ): Promise<number> {
    const wait = new OrderWait(head, ends, isWanted, { ...this.#context, lanes: this.#lanes });
    this.#lanes.noteHead(head);
    this.#waits.set(laneName(head), wait);
    const servesBeforeMs = await wait.run();
    this.#waits.delete(laneName(head));
    return servesBeforeMs;
  }

  /** Asks until the log answers. @returns empty: the time is up, or the lane wants no answer */
  async #askPatiently(
    lane: PartitionOffset,
    isWanted: () => boolean,
  ): Promise<readonly OffsetRange[]> {
    const beganMs = performance.now();
    for (;;) {
      try {
        return await this.#ends.ranges(lane.topic);
      } catch (error) {
        const ms = performance.now() - beganMs;
        if (!isWanted()) return [];
        if (ms > STANDSTILL_MS) {
          const why = `the log does not say where the partitions end (${(error as Error).message})`;
          reportRunOut(this.#context, lane, ms, why);
          return [];
        }
        await sleep(LOOK_MS);
      }
    }
  }
}
