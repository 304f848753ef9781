import type { Logger } from 'pino';
import { reachFaultPoint } from '../fault-points.ts';
import { TooMuchAtOnceError } from '../service-layer/errors.ts';
import type { LanePosition, LaneTransaction, OutboxRecord } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import { answerDelivery, UnsettledError } from './answer-delivery.ts';
import type { DeliveryPart, HandlerFailure } from './answering.ts';
import { DeliveryOrder } from './delivery-order.ts';
import { DeliveryQueue, type Part } from './delivery-queue.ts';
import type { LaneContext } from './lane-context.ts';
import type { Publishing } from './lane-watch.ts';
import { Held, TRANSACTION_ANSWERS_BYTES } from './memory-budget.ts';
import { bytesInMemory } from './outbox-chunks.ts';
import { OutboxRelay } from './outbox-relay.ts';
import { placeOf, productsNamedIn, readRecords } from './read-delivery.ts';
import type { OpenLane } from './take-over.ts';

interface LaneWorkOptions {
  readonly lane: Partition;
  readonly opened: OpenLane;
  readonly context: LaneContext;
  readonly log: Logger;
  /** Aborts when the lane closes. */
  readonly closing: AbortSignal;
  /** Called after each commit to the database. */
  readonly onCommitted: () => void;
  /** Called when only another opening of the lane can help. */
  readonly onTrouble: (error: unknown, work: LaneWork) => void;
}

/**
 * Answers the deliveries of a lane from one opening to the next.
 *
 * For each delivery:
 * 1. Drop the records below the position, because they are answered. Drop everything when the work
 *    is over, because it comes again.
 * 2. Run one database transaction: answers, aggregates, outbox, position (`answer-delivery.ts`). A
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
    this.#relay = new OutboxRelay({
      producer: opened.producer,
      lane,
      group: context.group,
      published: context.published,
      budget: context.relayBudget,
      onPublished: ({ nextOffset }) => {
        this.#publishedBelowOffset = Math.max(this.#publishedBelowOffset, nextOffset);
      },
      onBroken: (error) => options.onTrouble(error, this),
    });
  }

  get position(): LanePosition {
    return this.#position;
  }

  /** What the relay is publishing. Null: nothing. */
  get publishing(): Publishing | null {
    return this.#relay.publishing;
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
    const { lane, context, log, closing, onTrouble } = this.#options;
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
      try {
        await this.#relay.room();
        if (!isWanted()) return;
        queue.advance(await order.answer(part, queue.failure));
      } catch (error) {
        const recovery = queue.fail(error);
        if (recovery.action === 'reopen') return onTrouble(error, this);
        const { message } = error as Error;
        const { attempts } = queue;
        log[error instanceof TooMuchAtOnceError ? 'debug' : 'warn'](
          { err: error, place: part[0] && placeOf(part[0]), attempts },
          `Partition ${lane.partition}: a delivery failed (${recovery.action}): ${message}`,
        );
        await queue.apply(recovery, message);
      }
    }
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
    const { lane, context, closing } = this.#options;
    const { store, answering } = context;
    const stopTimer = answering.metrics.deliverySeconds.startTimer();
    const position = this.#position;
    reachFaultPoint('delivered');
    const read = await readRecords(records, answering.strictCommands);
    reachFaultPoint('decoded');
    const part: DeliveryPart = {
      ...this.#limits(),
      lane,
      records: read,
      position,
      publishedBelowOffset: this.#publishedBelowOffset,
      failure,
      settledBelowOffset,
    };
    const inHand = new Held(context.relayBudget);
    const work = async (transaction: LaneTransaction) => {
      const progress = await answerDelivery(part, transaction, answering);
      inHand.set(bytesInMemory(progress.outbox));
      return progress;
    };
    const turn = context.productTurns.take(productsNamedIn(read), async () => {
      if (closing.aborted) return null;
      return store.transaction(lane, position, work).catch(indexOfUnsettled);
    });
    // From here on the relay holds the answers.
    const progress = await turn.finally(() => inHand.set(0));
    if (progress === null || typeof progress === 'number') return progress;
    reachFaultPoint('database-committed');
    // The lane may have opened anew meanwhile, perhaps before this transaction moved the lane's
    // row. The row then fences the next transaction, and the lane opens once more and publishes
    // these answers.
    if (this.#isOver) return null;
    this.#position = progress.next;
    this.#options.onCommitted();
    this.#relay.enqueue(progress.outbox, progress.next.nextOffset, progress.restsOn);
    context.earlier.note({ ...lane, nextOffset: progress.next.nextOffset });
    stopTimer();
    answering.metrics.countAnswers(records.length, progress.outbox);
    context.unknownFields.note(read);
    this.#logDeadLetters(progress.outbox);
    return null;
  }

  /** Returns the limits for the answers of the next transaction, in bytes. */
  #limits() {
    const { opened, context } = this.#options;
    const { deadLetterMaxBytes, eventMaxBytes } = opened;
    const { usual, beyondBudget } = TRANSACTION_ANSWERS_BYTES;
    const maxAnswerBytes = context.relayBudget.isExceeded ? beyondBudget : usual;
    return { deadLetterMaxBytes, eventMaxBytes, maxAnswerBytes };
  }

  #logDeadLetters(outbox: readonly OutboxRecord[]): void {
    const { context, log } = this.#options;
    for (const { topic, headers, sourceOffset } of outbox) {
      if (topic !== context.answering.deadLettersTopic) continue;
      log.warn(
        { offset: sourceOffset, reason: headers['dead-letter-reason'] },
        `Dead letter: ${headers['dead-letter-message']}`,
      );
    }
  }
}

function indexOfUnsettled(error: unknown): number {
  if (error instanceof UnsettledError) return error.index;
  throw error;
}

const DRAIN_TIMEOUT_MS = 10_000;
