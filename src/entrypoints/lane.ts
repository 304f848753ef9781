import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { passing } from '../fault-points.ts';
import type { AssignedPartition, PartitionOwner } from '../service-layer/consumer-group.ts';
import { FailoverError, FencedError, TroubleError } from '../service-layer/errors.ts';
import type { LanePosition, LaneTransaction } from '../service-layer/lane-store.ts';
import type { PartitionOffset, ReceivedRecord } from '../service-layer/records.ts';
import { recover, reopenAfterMs } from '../service-layer/recoverability.ts';
import {
  answerBatch,
  type HandlerFailure,
  placeOf,
  productsNamedIn,
  readRecords,
  UnsettledError,
} from './answer-delivery.ts';
import type { Awaited } from './earlier-commands.ts';
import { LaneRefusedError, OlderDatabaseError } from './lost-offset.ts';
import { OutboxRelay } from './outbox-relay.ts';
import { type LaneContext, takeOver } from './take-over.ts';

/**
 * One partition of the commands topic: its position, its outbox and its transactional producer belong together.
 *
 * Guarantee: each command changes the database exactly once, and its answer goes out exactly once, whatever crashes.
 *
 *   opening ──take over──▶ working ──any trouble──▶ opening ─ … ─▶ closed
 *
 * Opening (`take-over.ts`) is the only way to recover: from a crash, a rebalance, a lost connection, a fenced producer
 * alike. It settles what the former owner, or this lane before its trouble, left half done.
 *
 * Working, for each delivery:
 * 1. Drop what lies below the position (it is answered), and everything while the lane is not working (it comes again).
 * 2. One database transaction: answers, aggregates, outbox, position (`answer-batch.ts`). A crash before its commit: nothing
 *    happened. After it: the outbox holds the answers. A command that would be rejected as unknown ends the transaction
 *    without a trace, until other lanes have decided what was accepted before (`earlier-commands.ts`).
 * 3. Hand the outbox records to the relay and go on: step 2 of the next delivery runs while they are published.
 *
 * A lane whose database does not fit gives its partition back once, for a member that can work. Until
 * one takes it, the lane tries on. All lanes of the process open anew then, and when the database has
 * failed over or started again: a lane that is at work would not notice that commits of another lane are lost.
 *
 * When a handler fails, the delivery is redone one command at a time; the guilty one is retried, then dead-lettered.
 * A delivery that is too much for one transaction is answered in two halves, each halved again if need be.
 */
export class Lane implements PartitionOwner {
  readonly #assigned: AssignedPartition;
  readonly #context: LaneContext;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #work: Promise<void>;
  #handling: Promise<void> = Promise.resolve();
  #relay: OutboxRelay | null = null;
  #position: LanePosition = { nextOffset: 0, nextSequence: 1 };
  #publishedBelowOffset = 0;
  /** When the lane opened, the outbox held nothing below. */
  #emptyBelowOffset = 0;
  #deadLetterMaxBytes = 0;
  #eventMaxBytes = 0;
  #failures = 0;
  #problem: string | null = 'is being opened';
  #refusal: string | null = null;
  #hasWorked = false;
  #readBelowOffset = 0;

  /** @param former resolves when this process's former owner of the partition will touch nothing any more */
  constructor(assigned: AssignedPartition, former: Promise<void>, context: LaneContext) {
    this.#assigned = assigned;
    this.#context = context;
    this.#log = context.log.child({ lane: `${assigned.topic}/${assigned.partition}` });
    this.#work = former.then(() => this.#open(0));
  }

  /** Why the lane does not work just now; null: it works. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Why the lane's database does not fit, since the lane last worked; null: it fits, as far as is known. */
  get refusal(): string | null {
    return this.#refusal;
  }

  get partition(): number {
    return this.#assigned.partition;
  }

  /** The offset of the next command; null until the lane has worked once. */
  get nextOffset(): number | null {
    return this.#hasWorked ? this.#position.nextOffset : null;
  }

  /** Where the deliveries so far end, the furthest. */
  get readBelowOffset(): number {
    return this.#readBelowOffset;
  }

  /** What the lane waits for in other lanes; null: it does not wait for any. */
  get awaited(): Awaited | null {
    return this.#context.earlier.awaitedBy(this.#assigned);
  }

  /**
   * A large delivery is dealt with while the next one is fetched. A small one before, and where several records came at once the
   * next ones are gathered for a moment: a transaction costs more than the few records in it.
   */
  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    this.#readBelowOffset = Math.max(this.#readBelowOffset, (records.at(-1)?.offset ?? -1) + 1);
    // The delivery belongs to the relay of now. If the lane opens anew while the delivery before this one
    // is in hand, what that one held comes again first: this one must not go ahead of it.
    const relay = this.#relay;
    await this.#handling;
    this.#handling = this.#tracked(this.#handleDelivery(records, relay));
    if (records.length >= LARGE_DELIVERY_RECORDS) return;
    await this.#handling;
    if (records.length > 1) await this.#wait(GATHER_MS);
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#problem = 'is closed';
    passing('partition-revoked');
    this.#context.earlier.look();
    // Before the work is awaited: it may be waiting for room behind what waits.
    this.#relay?.stopWaiting();
    await this.#work;
    const relay = this.#relay;
    this.#relay = null;
    await relay?.drain(DRAIN_TIMEOUT_MS);
    passing('relay-drained');
    if (relay) await this.#emptyOutbox();
    passing('outbox-emptied');
    await relay?.close();
  }

  /** Leaves no row behind that is out. Whatever keeps it from that, the next opening of the lane deletes them. */
  async #emptyOutbox(): Promise<void> {
    const { topic, partition } = this.#assigned;
    if (this.#publishedBelowOffset === this.#emptyBelowOffset) return;
    try {
      await this.#context.store.deletePublished(
        { topic, partition },
        this.#position,
        this.#publishedBelowOffset,
      );
    } catch (error) {
      this.#log.info(
        `Published answers stay in the outbox until the lane opens again: ${(error as Error).message}`,
      );
    }
  }

  async #handleDelivery(
    records: readonly ReceivedRecord[],
    relay: OutboxRelay | null,
  ): Promise<void> {
    await relay?.room();
    if (!relay || relay !== this.#relay) return;
    const fresh = records.filter(({ offset }) => offset >= this.#position.nextOffset);
    if (fresh.length > 0) await this.#handleFresh(fresh, relay);
  }

  /** Sees to it that `close` waits for the work, whoever started it. */
  #tracked(work: Promise<void>): Promise<void> {
    this.#work = Promise.all([this.#work, work]).then(() => {});
    return work;
  }

  async #handleFresh(records: readonly ReceivedRecord[], relay: OutboxRelay): Promise<void> {
    const isWanted = () => relay === this.#relay && !this.#isClosing;
    const maxRecords = Number.POSITIVE_INFINITY;
    const order: DeliveryOrder = {
      records,
      settledBelowOffset: 0,
      waiting: null,
      ends: [],
      maxRecords,
      isWanted,
    };
    const queue = [records];
    let attempts = 0;
    let failure: HandlerFailure | null = null;
    for (let batch = queue[0]; batch && isWanted(); batch = queue[0]) {
      try {
        queue.splice(0, 1, ...(await this.#answerInOrder(batch, relay, failure, order)));
        attempts = 0;
        failure = null;
      } catch (error) {
        attempts += 1;
        const recovery = recover(error, attempts, batch.length, Math.random());
        if (recovery.action === 'reopen') return this.#reopen(error, relay);
        const { message } = error as Error;
        this.#log.warn(
          { err: error, place: batch[0] && placeOf(batch[0]), attempts },
          `A delivery failed (${recovery.action}): ${message}`,
        );
        if (recovery.action === 'retry') await this.#wait(recovery.afterMs);
        if (recovery.action === 'dead-letter') {
          // The dead letter failed too: a fault of ours, which must not become a busy loop.
          if (failure) await this.#wait(FAULT_RETRY_MS);
          failure = { message, attempts };
        }
        if (recovery.action === 'isolate') {
          queue.splice(0, 1, ...batch.map((record) => [record]));
          attempts = 0;
        }
        if (recovery.action === 'halve') {
          const half = Math.ceil(batch.length / 2);
          queue.splice(0, 1, batch.slice(0, half), batch.slice(half));
          attempts = 0;
        }
      }
    }
  }

  /**
   * Answers the batch, but rejects no command as unknown before other lanes have decided what was
   * accepted before it. What stands before such a command is answered first, so that the lanes that
   * wait for this one see it. One wait serves the whole delivery, which was fetched before the wait,
   * unless the lane went ahead of another one that waits too.
   *
   * Lanes with a backlog take turns at each such command. So a lane that has met one tries no more at
   * once than a few times as many as there were before it: the rest would be loaded for nothing.
   * @returns what is left of the batch
   */
  async #answerInOrder(
    batch: readonly ReceivedRecord[],
    relay: OutboxRelay,
    failure: HandlerFailure | null,
    order: DeliveryOrder,
  ): Promise<readonly (readonly ReceivedRecord[])[]> {
    const { earlier } = this.#context;
    const { topic, partition } = this.#assigned;
    const lane = { topic, partition, nextOffset: this.#position.nextOffset };
    if (batch === order.waiting) {
      const beforeMs = await earlier.wait(
        { ...lane, nextTimestampMs: sentMs(batch[0]) },
        order.ends,
        order.isWanted,
      );
      Object.assign(order, {
        settledBelowOffset: settledBelow(order.records, batch[0], beforeMs),
        waiting: null,
      });
      return [batch];
    }
    if (batch.length > order.maxRecords)
      return [batch.slice(0, order.maxRecords), batch.slice(order.maxRecords)];
    const unsettled = await this.#answer(batch, relay, failure, order.settledBelowOffset);
    if (unsettled === null) {
      order.maxRecords *= 2;
      return [];
    }
    order.maxRecords = Math.max(LEAST_RECORDS, 4 * unsettled);
    // The delivery was fetched before the ends were asked for: they hold for all of it.
    const ends =
      order.ends.length > 0
        ? earlier.unreached(order.ends)
        : await earlier.undecided(lane, order.isWanted);
    if (ends.length === 0) {
      order.settledBelowOffset = Number.POSITIVE_INFINITY;
      return [batch];
    }
    const waiting = batch.slice(unsettled);
    Object.assign(order, { waiting, ends });
    return unsettled === 0 ? [waiting] : [batch.slice(0, unsettled), waiting];
  }

  /** @returns null; or the index of the first command that would be rejected too early, and then nothing is answered */
  async #answer(
    records: readonly ReceivedRecord[],
    relay: OutboxRelay,
    failure: HandlerFailure | null,
    settledBelowOffset: number,
  ): Promise<number | null> {
    const stopTimer = this.#context.answering.metrics.batchSeconds.startTimer();
    const { store, answering } = this.#context;
    // The position that these records were chosen by, also if the lane opens anew while they are read.
    const position = this.#position;
    passing('delivered');
    const read = await readRecords(records);
    passing('decoded');
    const { topic, partition } = this.#assigned;
    const batch = {
      lane: { topic, partition },
      records: read,
      position,
      publishedBelowOffset: this.#publishedBelowOffset,
      deadLetterMaxBytes: this.#deadLetterMaxBytes,
      eventMaxBytes: this.#eventMaxBytes,
      failure,
      settledBelowOffset,
    };
    const work = (transaction: LaneTransaction) => answerBatch(batch, transaction, answering);
    const progress = await this.#context.productTurns.take(productsNamedIn(read), async () => {
      if (this.#isClosing) return null;
      return store.transaction(this.#assigned, position, work).catch(unsettledIn);
    });
    if (progress === null || typeof progress === 'number') return progress;
    passing('database-committed');
    // The lane has opened anew meanwhile, perhaps without having seen this transaction: the row is moved, so that its next one is
    // fenced, and the opening after that publishes these answers.
    if (relay !== this.#relay) return null;
    this.#position = progress.next;
    this.#failures = 0;
    relay.enqueue(progress.outbox, progress.next.nextOffset, progress.restsOn);
    this.#context.earlier.note({ topic, partition, nextOffset: progress.next.nextOffset });
    stopTimer();
    answering.metrics.answered(records.length, progress.outbox);
    for (const { topic, headers, sourceOffset } of progress.outbox) {
      if (topic !== answering.deadLettersTopic) continue;
      this.#log.warn(
        { offset: sourceOffset, reason: headers['dead-letter-reason'] },
        `Dead letter: ${headers['dead-letter-message']}`,
      );
    }
    return null;
  }

  /**
   * Opens the lane anew, if it works: what another lane has found may hold for this one.
   * @param timeline where that lane has found it: this one may have opened there
   */
  reopen(why: string, timeline?: string): void {
    if (timeline !== undefined && timeline === this.#position.timeline) return;
    if (this.#relay) this.#reopen(new TroubleError(why), this.#relay);
  }

  #reopen(error: unknown, relay: OutboxRelay): void {
    if (relay !== this.#relay || this.#closing.signal.aborted) return;
    this.#assigned.pause();
    this.#relay = null;
    this.#context.earlier.look();
    const afterMs = this.#fail(error);
    if (error instanceof FailoverError) this.#context.reopenAll(error.message, error.timeline);
    // Not awaited: the delivery that failed is over. Its records come again when the lane is open.
    void this.#tracked(relay.close().then(() => this.#open(afterMs)));
  }

  async #open(afterMs: number): Promise<void> {
    await this.#wait(afterMs);
    while (!this.#closing.signal.aborted) {
      try {
        const watch = {
          signal: this.#closing.signal,
          onProgress: (text: string) => this.#say(text),
        };
        const { producer, position, readFrom, deadLetterMaxBytes, eventMaxBytes } = await takeOver(
          this.#assigned,
          this.#context,
          watch,
        );
        this.#deadLetterMaxBytes = deadLetterMaxBytes;
        this.#eventMaxBytes = eventMaxBytes;
        this.#position = position;
        this.#publishedBelowOffset = position.nextOffset;
        this.#emptyBelowOffset = position.nextOffset;
        const relay: OutboxRelay = new OutboxRelay({
          producer,
          lane: { topic: this.#assigned.topic, partition: this.#assigned.partition },
          group: this.#context.group,
          published: this.#context.published,
          budget: this.#context.relayBudget,
          onPublished: ({ nextOffset }) => {
            // The answer to a former relay may come late, when the lane has opened anew beyond it.
            this.#publishedBelowOffset = Math.max(this.#publishedBelowOffset, nextOffset);
          },
          onBroken: (error) => this.#reopen(error, relay),
        });
        this.#relay = relay;
        if (this.#closing.signal.aborted) return;
        this.#problem = null;
        this.#refusal = null;
        this.#hasWorked = true;
        this.#log.info({ ...position, ...this.#assigned.membership() }, 'The lane works');
        // Behind what retention has deleted, the epoch of the last record is not known.
        this.#assigned.resumeFrom(
          readFrom,
          readFrom === position.nextOffset ? position.leaderEpoch : undefined,
        );
        return;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (error instanceof LaneRefusedError) this.#refuse(error);
        if (error instanceof OlderDatabaseError) this.#context.onOlder?.(error);
        await this.#wait(this.#fail(error));
      }
    }
  }

  /** Gives the partition back once, until the lane works again: trouble in between changes nothing. */
  #refuse({ message }: LaneRefusedError): void {
    const isFirst = this.#refusal === null;
    this.#refusal = message;
    if (!isFirst) return;
    this.#assigned.giveBack();
    this.#context.reopenAll(
      `The database does not fit another lane, ${this.#assigned.topic}/${this.#assigned.partition}`,
    );
  }

  /** What the lane does while it opens. */
  #say(doing: string): void {
    if (!this.#closing.signal.aborted) this.#problem = doing;
  }

  /** Says, once, why the lane waits. @returns for how many milliseconds */
  #fail(error: unknown): number {
    this.#failures += 1;
    const { message } = error as Error;
    // Of trouble the sentence says it all; of anything else the place matters.
    const isExpected = error instanceof TroubleError || error instanceof FencedError;
    if (message !== this.#problem)
      this.#log.warn(isExpected ? {} : { err: error }, `The lane waits: ${message}`);
    this.#problem = message;
    return reopenAfterMs(error, this.#failures, Math.random());
  }

  /** Sleeps; wakes at once when the lane closes. */
  async #wait(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}

/** What is known of a delivery's place among the commands of other lanes. */
interface DeliveryOrder {
  /** The whole delivery, whatever it was cut into since. */
  readonly records: readonly ReceivedRecord[];
  /** Whatever was accepted before the records below it, in any lane, has been decided. */
  settledBelowOffset: number;
  /** The part of the delivery that waits for other lanes to come up to `ends`. */
  waiting: readonly ReceivedRecord[] | null;
  ends: readonly PartitionOffset[];
  /** How many records the lane tries to answer at once. */
  maxRecords: number;
  /** The lane has not opened anew since, and does not close. */
  readonly isWanted: () => boolean;
}

function unsettledIn(error: unknown): number {
  if (error instanceof UnsettledError) return error.index;
  throw error;
}

/** When the command was sent, as its sender says: a number that any database takes. */
function sentMs(record: ReceivedRecord | undefined): number {
  return Math.min(Math.max(record?.timestampMs ?? 0, 0), Number.MAX_SAFE_INTEGER);
}

/**
 * The offset below which all records from `first` on were sent before that time. The first one is
 * settled in any case.
 */
function settledBelow(
  records: readonly ReceivedRecord[],
  first: ReceivedRecord | undefined,
  beforeMs: number,
): number {
  const isLate = (record: ReceivedRecord) =>
    record.offset > (first?.offset ?? -1) && sentMs(record) >= beforeMs;
  return records.find(isLate)?.offset ?? Number.POSITIVE_INFINITY;
}

/** Fewer at once would cost more transactions, each with its fsync, than they spare. */
const LEAST_RECORDS = 64;
const LARGE_DELIVERY_RECORDS = 1_000;
const GATHER_MS = 10;
const DRAIN_TIMEOUT_MS = 10_000;
const FAULT_RETRY_MS = 5_000;
