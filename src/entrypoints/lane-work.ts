import type { Logger } from 'pino';
import { reachFaultPoint } from '../fault-points.ts';
import { TooMuchAtOnceError } from '../service-layer/errors.ts';
import type { CommittedProgress, LanePosition } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import { DeliveryTrace } from '../tracing/delivery-trace.ts';
import type { HandlerFailure } from './answer-context.ts';
import { commitPart, reportPart } from './commit-part.ts';
import { DeliveryOrder } from './delivery-order.ts';
import { DeliveryQueue, type Part } from './delivery-queue.ts';
import type { LaneContext } from './lane-context.ts';
import type { Publishing } from './lane-watch.ts';
import { TRANSACTION_ANSWERS_BYTES } from './memory-budget.ts';
import { StepTimes } from './metrics/transaction-metrics.ts';
import { OutboxRelay, type RelayQueue } from './outbox-relay.ts';
import { type CommandRecord, readRecords } from './read-delivery.ts';
import type { OpenLane } from './take-over.ts';
import type { UnansweredCommands } from './unanswered-commands.ts';

const DRAIN_TIMEOUT_MS = 10_000;

interface LaneWorkOptions {
  readonly lane: Partition;
  readonly opened: OpenLane;
  readonly context: LaneContext;
  readonly log: Logger;
  /** Aborts when the lane closes. */
  readonly closing: AbortSignal;
  /** Knows the oldest command without an answer, from one opening to the next. */
  readonly unanswered: UnansweredCommands;
  /** Called after each commit to the database, with the number of commands. */
  readonly onCommitted: (count: number) => void;
  /** Called when only another opening of the lane can help. */
  readonly onTrouble: (error: unknown, work: LaneWork) => void;
}

/**
 * Answers the deliveries of a lane from one opening to the next.
 *
 * For each delivery:
 * 1. Drop the records below the position, because they are answered. Drop all records when the work
 *    is over, because they come again. Wait while the lane is paused (`lane-pauses.ts`).
 * 2. Run one database transaction (`commit-part.ts`): answers, aggregates, outbox, position. A
 *    crash before its commit leaves nothing. After the commit the outbox has the answers. If a
 *    command would be rejected as unknown, undo the transaction. Try again when other lanes have
 *    decided what was accepted before (`delivery-order.ts`).
 * 3. Hand the outbox records to the relay and go on. The relay publishes them while step 2 of the
 *    next delivery runs.
 *
 * When a handler fails, the lane answers the delivery again, one command at a time. It retries the
 * command that fails, and then writes a dead letter. If a delivery is too much for one transaction,
 * the lane halves it, as often as necessary.
 */
export class LaneWork {
  readonly #options: LaneWorkOptions;
  readonly #relay: OutboxRelay;
  #position: LanePosition;
  /** Every answer to a command below this offset is published. */
  #publishedBelowOffset: number;
  #isOver = false;

  constructor(options: LaneWorkOptions) {
    const { lane, opened, context } = options;
    this.#options = options;
    this.#position = opened.position;
    this.#publishedBelowOffset = opened.position.nextOffset;
    // The log may have deleted the command that the lane had in hand.
    options.unanswered.notePublished(opened.readFrom);
    this.#relay = new OutboxRelay({
      producer: opened.producer,
      lane,
      group: context.group,
      published: context.published,
      budget: context.relayBudget,
      onPublished: ({ nextOffset, records }, ms) => {
        this.#publishedBelowOffset = Math.max(this.#publishedBelowOffset, nextOffset);
        this.#options.unanswered.notePublished(nextOffset);
        context.answerContext.metrics.publications.observe(records.length, ms);
      },
      onBroken: (error) => {
        context.answerContext.metrics.publications.countFailure();
        options.onTrouble(error, this);
      },
    });
  }

  get position(): LanePosition {
    return this.#position;
  }

  /** Every answer to a command below this offset is published. */
  get publishedBelowOffset(): number {
    return this.#publishedBelowOffset;
  }

  /** What the relay is publishing. Null: nothing. */
  get publishing(): Publishing | null {
    return this.#relay.publishing;
  }

  /** The relay's queue, for the metrics. */
  get queue(): RelayQueue {
    return this.#relay;
  }

  /** Whether the lane has closed, or opens anew. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends the work: no further transaction begins. */
  end(): void {
    this.#isOver = true;
  }

  /** Makes the relay leave in the outbox what must wait for answers of other lanes. */
  stopWaiting(): void {
    this.#relay.stopWaiting();
  }

  /** Waits, within limits, until the relay has published what it has. */
  async drain(): Promise<void> {
    await this.#relay.drain(DRAIN_TIMEOUT_MS);
  }

  async closeRelay(): Promise<void> {
    await this.#relay.close();
  }

  /** Deletes published rows from the outbox. If that fails, the next opening deletes them. */
  async emptyOutbox(): Promise<void> {
    const { lane, opened, context, log } = this.#options;
    // When the lane opened, the outbox had nothing below its position.
    if (this.#publishedBelowOffset === opened.position.nextOffset) return;
    try {
      await context.store.deletePublished(lane, this.#position, this.#publishedBelowOffset);
    } catch (error) {
      log.info(
        `Partition ${lane.partition} leaves published answers in the outbox. ` +
          `The next opening deletes them: ${(error as Error).message}`,
      );
    }
  }

  /** Answers a delivery. Each part waits until the relay has room. */
  async handle(records: Part): Promise<void> {
    if (this.#isOver) return;
    const unanswered = records.filter(({ offset }) => offset >= this.#position.nextOffset);
    if (unanswered.length > 0) await this.#answerAll(unanswered);
  }

  async #answerAll(records: Part): Promise<void> {
    const { lane, context, closing, onTrouble } = this.#options;
    const isWanted = () => !this.#isOver && !closing.aborted;
    const order = new DeliveryOrder(records, {
      earlier: context.earlier,
      position: () => ({ ...lane, nextOffset: this.#position.nextOffset }),
      answer: (part, failure, settledBelowOffset) =>
        this.#answer(part, failure, settledBelowOffset),
      isWanted,
    });
    const queue = new DeliveryQueue(records, closing);
    for (let part = queue.first; part && isWanted(); part = queue.first) {
      this.#options.unanswered.noteFirst(part[0]);
      try {
        await this.#relay.waitForRoom();
        if (context.pauses?.of(lane.partition))
          await context.pauses.waitForEnd(lane.partition, isWanted);
        if (!isWanted()) return;
        queue.advance(await order.answer(part, queue.failure));
      } catch (error) {
        const recovery = queue.fail(error);
        context.answerContext.metrics.transactions.countFailure(recovery.action);
        if (recovery.action === 'reopen') return onTrouble(error, this);
        const { action } = recovery;
        // Halving a large delivery is normal. It is no failure to log.
        if (part[0] && !(error instanceof TooMuchAtOnceError))
          context.deliveryLog.noteFailure(error as Error, action, queue.attempts, part[0]);
        await queue.apply(recovery, (error as Error).message);
      }
    }
    if (isWanted()) this.#options.unanswered.noteFirst(undefined);
  }

  /**
   * Answers the records in one transaction.
   * @returns null: the records are answered, or the work has ended. Otherwise the index of the
   * command that would be rejected too early, and nothing has changed.
   */
  async #answer(
    records: Part,
    failure: HandlerFailure | null,
    settledBelowOffset: number,
  ): Promise<number | null> {
    const { context, closing } = this.#options;
    const times = new StepTimes();
    const position = this.#position;
    reachFaultPoint('delivered');
    const read = await readRecords(records, context.answerContext.strictCommands);
    times.end('read');
    reachFaultPoint('decoded');
    const part = { ...this.#circumstances(read), position, failure, settledBelowOffset };
    const committed = await commitPart(part, context, closing, times);
    if (committed === null || typeof committed === 'number') return committed;
    reachFaultPoint('database-committed');
    // The lane may have opened anew meanwhile, perhaps before this transaction moved the lane's
    // row. The row then fences the next transaction, and the lane opens once more and publishes
    // these answers.
    if (this.#isOver) return null;
    this.#advance(committed.progress, records.length);
    times.end('commit');
    reportPart(committed, read, context, times);
    return null;
  }

  /** Goes on behind what the transaction has committed. From here on the relay has the answers. */
  #advance({ next, outbox, restsOn }: CommittedProgress, count: number): void {
    const { lane, context, unanswered, onCommitted } = this.#options;
    this.#position = next;
    unanswered.noteDecided(next.nextOffset);
    onCommitted(count);
    this.#relay.enqueue(outbox, next.nextOffset, restsOn);
    context.earlier.note({ ...lane, nextOffset: next.nextOffset });
  }

  /** Returns the records with the limits for their answers, in bytes, and with their spans. */
  #circumstances(records: readonly CommandRecord[]) {
    const { lane, opened, context } = this.#options;
    const { group, relayBudget, tracing } = context;
    const { deadLetterMaxBytes, eventMaxBytes } = opened;
    const { usual, beyondBudget } = TRANSACTION_ANSWERS_BYTES;
    return {
      lane,
      records,
      publishedBelowOffset: this.#publishedBelowOffset,
      deadLetterMaxBytes,
      eventMaxBytes,
      maxAnswerBytes: relayBudget.isExceeded ? beyondBudget : usual,
      ...(tracing && { trace: new DeliveryTrace(tracing, lane, group, records) }),
    };
  }
}
