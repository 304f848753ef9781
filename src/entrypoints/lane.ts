import type { Logger } from 'pino';
import { laneName } from '../domain/place.ts';
import { reachFaultPoint } from '../fault-points.ts';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import type { AssignedPartition, PartitionOwner } from '../service-layer/consumer-group.ts';
import { FailoverError, FencedError, TroubleError } from '../service-layer/errors.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { reopenAfterMs } from '../service-layer/recoverability.ts';
import { sleepUntilClosing } from './closing-sleep.ts';
import type { LaneContext } from './lane-context.ts';
import { LaneRefusedError, OlderDatabaseError } from './lane-refusal.ts';
import type { AwaitedLanes, ObservedLane, Publishing } from './lane-watch.ts';
import { LaneWork } from './lane-work.ts';
import type { RelayQueue } from './outbox-relay.ts';
import { causeOf, OtherLaneError, type Reopening } from './reopening.ts';
import { type OpenLane, takeOver } from './take-over.ts';
import { UnansweredCommands } from './unanswered-commands.ts';

/**
 * What a lane does at the moment:
 *
 *   opening ──take over──▶ working ──any trouble──▶ opening ─ … ─▶ closed
 */
type LaneState =
  /**
   * The lane takes its partition over (`take-over.ts`). `problem` says what the lane does, or what
   * failed.
   */
  | { readonly kind: 'opening'; readonly problem: string }
  /** The lane answers deliveries. `work` has the relay, the position and what is published. */
  | { readonly kind: 'working'; readonly work: LaneWork }
  /** The lane touches nothing any more. */
  | { readonly kind: 'closed' };

/**
 * Answers the commands of one partition, whose position, outbox and transactional producer belong
 * together.
 *
 * Guarantee: each command changes the database exactly once, and its answer goes out exactly once,
 * whatever crashes.
 *
 * Opening is the only way to recover: from a crash, a rebalance, a lost connection or a fenced
 * producer. It settles what the former owner, or this lane before its trouble, left half done.
 * `lane-work.ts` describes the work.
 *
 * A lane whose database does not fit gives its partition back once, for a member that can work. The
 * lane tries on until another member takes the partition. All lanes of the process open anew when
 * one lane gives its partition back, or when the database has failed over or started again.
 * Otherwise a working lane would not notice that commits of another lane are lost.
 */
export class Lane implements PartitionOwner, ObservedLane {
  readonly #assigned: AssignedPartition;
  readonly #context: LaneContext;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #state: LaneState = { kind: 'opening', problem: 'the lane is opening' };
  /** Resolves when all work that `close` must wait for has ended. */
  #running: Promise<void>;
  #handling: Promise<void> = Promise.resolve();
  /** The work of the latest opening, which may be over. */
  #latestWork: LaneWork | null = null;
  /** The producer of the latest opening, successful or not. */
  #producer: TransactionalProducer | null = null;
  #hasWorked = false;
  #failures = 0;
  #decidedCount = 0;
  #refusal: string | null = null;
  #lastReopening: Reopening | null = null;
  readonly #unanswered = new UnansweredCommands();
  #readBelowOffset = 0;

  /**
   * @param former resolves when this process's former owner of the partition touches nothing more
   */
  constructor(assigned: AssignedPartition, former: Promise<void>, context: LaneContext) {
    this.#assigned = assigned;
    this.#context = context;
    this.#log = context.log.child({ lane: laneName(assigned) });
    this.#running = former.then(() => this.#open(0));
  }

  /** Why the lane does not work at the moment. Null: the lane works. */
  get problem(): string | null {
    if (this.#isClosing) return 'the lane is closing';
    return this.#state.kind === 'opening' ? this.#state.problem : null;
  }

  /** Why the database did not fit the lane since the lane last worked. Null: no misfit is known. */
  get refusal(): string | null {
    return this.#refusal;
  }

  get partition(): number {
    return this.#assigned.partition;
  }

  /** The offset of the next command. Null: the lane has never worked. */
  get nextOffset(): number | null {
    return this.#hasWorked && this.#latestWork ? this.#latestWork.position.nextOffset : null;
  }

  /** The offset after the last record that was delivered. */
  get readBelowOffset(): number {
    return this.#readBelowOffset;
  }

  /** What the lane is publishing. Null: nothing, or the lane does not work. */
  get publishing(): Publishing | null {
    return this.#state.kind === 'working' ? this.#state.work.publishing : null;
  }

  /** Every answer to a command below this offset is published. Null: the lane has never worked. */
  get publishedBelowOffset(): number | null {
    return this.#hasWorked && this.#latestWork ? this.#latestWork.publishedBelowOffset : null;
  }

  /** How many commands the lane has decided, repeats included. */
  get decidedCount(): number {
    return this.#decidedCount;
  }

  /** When the oldest unanswered command was sent. Null: none, or the lane has never worked. */
  get oldestUnansweredMs(): number | null {
    return this.#unanswered.oldestMs;
  }

  /** The answers that wait for their publication. Null: the lane has never worked. */
  get queue(): RelayQueue | null {
    return this.#latestWork?.queue ?? null;
  }

  /** The last time that the lane stopped, or failed to open. Null: it never did. */
  get lastReopening(): Reopening | null {
    return this.#lastReopening;
  }

  /** Who has paused the lane. Null: nobody. */
  get pause(): LanePause | null {
    return this.#context.pauses?.of(this.partition) ?? null;
  }

  /** What the lane waits for in other lanes. Null: the lane waits for none. */
  get awaited(): AwaitedLanes | null {
    return this.#context.earlier.awaitedLanesOf(this.#assigned);
  }

  /**
   * Answers a delivery. While a large delivery is answered, the next one is fetched. A small
   * delivery is answered before the next fetch. If it had several records, the lane pauses, so that
   * more records gather: a transaction costs more than the few records in it.
   */
  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    this.#readBelowOffset = Math.max(this.#readBelowOffset, (records.at(-1)?.offset ?? -1) + 1);
    // Only the present work may answer this delivery. While the lane answers the delivery before,
    // it may open anew. Those records then come again, and this delivery must not overtake them.
    const work = this.#state.kind === 'working' ? this.#state.work : null;
    await this.#handling;
    this.#handling = this.#track(work ? work.handle(records) : Promise.resolve());
    if (records.length >= LARGE_DELIVERY_RECORDS) return;
    await this.#handling;
    if (records.length > 1) await sleepUntilClosing(GATHER_MS, this.#closing.signal);
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    reachFaultPoint('partition-revoked');
    this.#endWaits();
    // The relay must stop waiting first: the work in hand may wait for room in the relay's queue.
    if (this.#state.kind === 'working') this.#state.work.stopWaiting();
    await this.#running;
    const work = this.#state.kind === 'working' ? this.#state.work : null;
    this.#state = { kind: 'closed' };
    work?.end();
    await work?.drain();
    reachFaultPoint('relay-drained');
    if (work) await work.emptyOutbox();
    reachFaultPoint('outbox-emptied');
    await work?.closeRelay();
  }

  /**
   * Ends the transaction that a failed publication left open. Call this only on a closed lane of a
   * stopping process. If another member has the partition by now, that member has ended the
   * transaction, and this call would fence it.
   */
  async settle(): Promise<void> {
    await this.#producer?.settle();
  }

  /** Makes `close` wait for the task. */
  #track(task: Promise<void>): Promise<void> {
    this.#running = Promise.all([this.#running, task]).then(() => {});
    return task;
  }

  /**
   * Opens a working lane anew, because what another lane has found may hold for this lane too.
   * @param timeline the timeline on which the other lane found it. A lane that has opened on this
   * timeline stays as it is.
   */
  reopen(why: string, timeline?: string): void {
    if (this.#state.kind !== 'working') return;
    const { work } = this.#state;
    if (timeline !== undefined && timeline === work.position.timeline) return;
    this.#reopen(new OtherLaneError(why), work);
  }

  #reopen(error: unknown, work: LaneWork): void {
    if (work.isOver || this.#isClosing) return;
    this.#assigned.pause();
    work.end();
    this.#endWaits();
    const afterMs = this.#fail(error);
    if (error instanceof FailoverError) this.#context.reopenAll(error.message, error.timeline);
    // The failed delivery must not wait for the opening: its records come again after the opening.
    void this.#track(work.closeRelay().then(() => this.#open(afterMs)));
  }

  async #open(afterMs: number): Promise<void> {
    await sleepUntilClosing(afterMs, this.#closing.signal);
    while (!this.#isClosing) {
      try {
        const { signal } = this.#closing;
        const watch = {
          signal,
          onProgress: (text: string) => this.#say(`the lane ${text}`),
          onProducer: (producer: TransactionalProducer) => {
            this.#producer = producer;
          },
        };
        // A paused lane must know of its pause before its first delivery.
        await this.#context.pauses?.refresh();
        const opened = await takeOver(this.#assigned, this.#context, watch);
        const work = this.#newWork(opened);
        this.#latestWork = work;
        // A closing lane needs this state too: `close` waits for the opening, then ends its work.
        this.#state = { kind: 'working', work };
        if (this.#isClosing) return;
        this.#refusal = null;
        this.#hasWorked = true;
        const { position, readFrom, logId } = opened;
        this.#log.info(
          { ...position, ...this.#assigned.membership() },
          `Partition ${this.partition} processing`,
        );
        // If retention has deleted records at the position, the epoch before `readFrom` is unknown.
        this.#assigned.resumeFrom(readFrom, {
          logId,
          leaderEpoch: readFrom === position.nextOffset ? position.leaderEpoch : undefined,
        });
        return;
      } catch (error) {
        if (this.#isClosing) return;
        if (error instanceof LaneRefusedError) this.#refuse(error);
        if (error instanceof OlderDatabaseError) this.#context.onOlder?.(error);
        await sleepUntilClosing(this.#fail(error), this.#closing.signal);
      }
    }
  }

  /** Makes the work in hand notice that its lane closes, or opens anew. */
  #endWaits(): void {
    this.#context.earlier.look();
    this.#context.pauses?.look();
  }

  #newWork(opened: OpenLane): LaneWork {
    const { topic, partition } = this.#assigned;
    return new LaneWork({
      lane: { topic, partition },
      opened,
      context: this.#context,
      log: this.#log,
      closing: this.#closing.signal,
      unanswered: this.#unanswered,
      onCommitted: (count) => {
        this.#failures = 0;
        this.#decidedCount += count;
      },
      onTrouble: (error, work) => this.#reopen(error, work),
    });
  }

  /** Gives the partition back, at most once until the lane works again. */
  #refuse({ message }: LaneRefusedError): void {
    const isFirst = this.#refusal === null;
    this.#refusal = message;
    if (!isFirst) return;
    this.#assigned.giveBack();
    this.#context.reopenAll(`The database does not fit another lane, ${laneName(this.#assigned)}`);
  }

  /** Notes what the lane does while it opens. */
  #say(problem: string): void {
    if (this.#state.kind === 'opening') this.#state = { kind: 'opening', problem };
  }

  /**
   * Notes, and logs once, why the lane stopped.
   * @returns after how many milliseconds it opens again
   */
  #fail(error: unknown): number {
    this.#failures += 1;
    const { message } = error as Error;
    // The message of an expected error is enough. Any other error needs its stack.
    const isExpected = error instanceof TroubleError || error instanceof FencedError;
    if (message !== this.problem) {
      this.#log.warn(
        isExpected ? {} : { err: error },
        `Partition ${this.partition} stopped: ${message}`,
      );
    }
    this.#context.answerContext.metrics.lanes.countStop(error, this.#state.kind === 'working');
    this.#state = { kind: 'opening', problem: message };
    this.#lastReopening = { at: new Date().toISOString(), cause: causeOf(error), message };
    return reopenAfterMs(error, this.#failures, Math.random());
  }
}

const LARGE_DELIVERY_RECORDS = 1_000;
const GATHER_MS = 10;
