import { setTimeout as sleep } from 'node:timers/promises';
import { reachFaultPoint } from '../fault-points.ts';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import type { OutboxRecord } from '../service-layer/lane-store.ts';
import type { Partition, PartitionOffset } from '../service-layer/records.ts';
import type { LaneOffsets } from './lane-offsets.ts';
import type { Publishing } from './lane-watch.ts';
import type { ByteBudget } from './memory-budget.ts';
import {
  type Chunk,
  COPIES,
  takeJoined,
  type WaitingChunk,
  wholeCommandChunks,
} from './outbox-chunks.ts';

/** The answers of a lane that wait for their publication. */
export interface RelayQueue {
  readonly queuedRecords: number;
  /** Since when the oldest of them wait. Null: none waits. */
  readonly oldestMs: number | null;
}

/**
 * Publishes the outbox of one lane, in the order of the lane's transactions.
 *
 * Guarantee: a `read_committed` consumer sees the answers to a command exactly once. From the same
 * instant the group's offset lies past that command.
 *
 * 1. The lane commits a transaction to the database, with outbox rows, and hands these rows to the
 *    relay.
 * 2. The relay waits until the answers of other lanes that the rows rest on are published
 *    (`lane-offsets.ts`). Then it publishes the rows with the group's offset: one broker
 *    transaction for each chunk of whole commands.
 * 3. The lane's next database transaction deletes the published rows.
 *
 * After a crash between 1 and 2 the rows lie past the group's offset. The next opening of the lane
 * publishes them. After a crash between 2 and 3 the rows lie below the group's offset. The next
 * opening deletes them. After an error the outcome of 2 is unknown. Then the relay is broken for
 * good, and the lane opens anew, which settles the outcome.
 */
export class OutboxRelay implements RelayQueue {
  readonly #producer: TransactionalProducer;
  readonly #lane: Partition;
  readonly #group: string;
  readonly #published: LaneOffsets;
  readonly #budget: ByteBudget;
  readonly #onPublished: (chunk: Chunk, ms: number) => void;
  readonly #onBroken: (error: unknown) => void;
  #queue: QueuedChunk[] = [];
  #queuedRecords = 0;
  #heldBytes = 0;
  #running: Promise<void> | null = null;
  #chunk: QueuedChunk | null = null;
  /** Since when answers that the broken relay did not publish wait in the outbox. */
  #leftSinceMs: number | null = null;
  #publishing: Promise<void> = Promise.resolve();
  #isBroken = false;
  #isWaiting = true;

  constructor(options: {
    readonly producer: TransactionalProducer;
    readonly lane: Partition;
    readonly group: string;
    readonly published: LaneOffsets;
    /** Shared by all lanes of the process. */
    readonly budget: ByteBudget;
    /** Called with the time that the publication took, in ms. */
    readonly onPublished: (chunk: Chunk, ms: number) => void;
    /** Called once, with the first error. */
    readonly onBroken: (error: unknown) => void;
  }) {
    this.#producer = options.producer;
    this.#lane = options.lane;
    this.#group = options.group;
    this.#published = options.published;
    this.#budget = options.budget;
    this.#onPublished = options.onPublished;
    this.#onBroken = options.onBroken;
  }

  /**
   * Publishes the records, and moves the group's offset to `nextOffset`, even without records.
   * @param restsOn what other lanes must have published first
   */
  enqueue(
    records: readonly OutboxRecord[],
    nextOffset: number,
    restsOn: readonly PartitionOffset[],
  ): void {
    const sinceMs = Date.now();
    for (const chunk of wholeCommandChunks(records, nextOffset)) {
      this.#queue.push({ ...chunk, restsOn, sinceMs });
      this.#queuedRecords += chunk.records.length;
      this.#hold(chunk.bytes * COPIES);
    }
    if (this.#isBroken) this.#hold(-this.#heldBytes);
    this.#running ??= this.#run();
  }

  /** What the relay is publishing. Null: nothing. */
  get publishing(): Publishing | null {
    if (this.#chunk === null || this.#isBroken) return null;
    const { nextOffset, restsOn } = this.#chunk;
    const awaited = restsOn.filter((lane) => !this.#published.covers([lane]));
    return { nextOffset, awaitedPartitions: awaited.map(({ partition }) => partition) };
  }

  /** How many records the relay has still to publish. */
  get queuedRecords(): number {
    return this.#queuedRecords;
  }

  /** Since when the oldest of them wait, also if the relay is broken. Null: none waits. */
  get oldestMs(): number | null {
    return this.#chunk?.sinceMs ?? this.#leftSinceMs;
  }

  /** Resolves when the queue is short enough for another transaction, or the relay is broken. */
  async waitForRoom(): Promise<void> {
    while (this.#isFull() && !this.#isBroken) await this.#publishing;
  }

  /**
   * Tells whether the queue has no room. A lane with an empty queue has room even if other lanes
   * have used the budget up. They may wait for the answers of this lane.
   */
  #isFull(): boolean {
    return (
      this.#queuedRecords > MAX_QUEUED_RECORDS || (this.#heldBytes > 0 && this.#budget.isExceeded)
    );
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes < 0) this.#budget.release(-bytes);
    else this.#budget.hold(bytes);
  }

  /**
   * Makes the relay wait no longer for answers of other lanes. What rests on them stays in the
   * outbox, and the next opening of the lane publishes it.
   */
  stopWaiting(): void {
    this.#isWaiting = false;
  }

  /** Resolves when everything in the queue is published, the relay is broken, or the time is up. */
  async drain(timeoutMs: number): Promise<void> {
    const deadline = new AbortController();
    await Promise.race([
      this.#running,
      sleep(timeoutMs, undefined, { signal: deadline.signal }).catch(() => {}),
    ]);
    deadline.abort();
  }

  async close(): Promise<void> {
    this.#isBroken = true;
    this.#queue = [];
    this.#hold(-this.#heldBytes);
    await this.#producer.close();
  }

  async #run(): Promise<void> {
    for (let chunk = this.#take(); chunk && !this.#isBroken; chunk = this.#take()) {
      this.#chunk = chunk;
      this.#publishing = this.#publish(chunk);
      await this.#publishing;
    }
    if (this.#isBroken && this.#queuedRecords > 0) this.#leftSinceMs = this.oldestMs;
    this.#chunk = null;
    this.#running = null;
  }

  async #publish(chunk: QueuedChunk): Promise<void> {
    try {
      reachFaultPoint('chunk-taken');
      await this.#waitForOthers(chunk);
      if (this.#isBroken) return;
      const beganMs = performance.now();
      await this.#producer.publish(chunk.records, {
        ...this.#lane,
        group: this.#group,
        nextOffset: chunk.nextOffset,
      });
      const ms = performance.now() - beganMs;
      this.#queuedRecords -= chunk.records.length;
      if (!this.#isBroken) this.#hold(-chunk.bytes * COPIES);
      this.#published.note({ ...this.#lane, nextOffset: chunk.nextOffset });
      this.#onPublished(chunk, ms);
    } catch (error) {
      if (!this.#isBroken) this.#onBroken(error);
      this.#isBroken = true;
    }
  }

  /**
   * Waits until other lanes have published what the chunk rests on. The wait must end when this
   * lane closes, because the next owner of those lanes may be waiting for that.
   */
  async #waitForOthers({ restsOn }: QueuedChunk): Promise<void> {
    while (!this.#isBroken && !(await this.#published.cover(restsOn, OTHERS_TIMEOUT_MS)))
      this.#isBroken = !this.#isWaiting;
  }

  #take(): QueuedChunk | undefined {
    const [first] = this.#queue;
    const joined = takeJoined(this.#queue, (restsOn) => this.#published.covers(restsOn));
    return first && joined && { ...joined, sinceMs: first.sinceMs };
  }
}

const MAX_QUEUED_RECORDS = 4_000;
/** How often a waiting relay checks whether its lane is closing. */
const OTHERS_TIMEOUT_MS = 500;

interface QueuedChunk extends WaitingChunk {
  /** When the database had committed the records. */
  readonly sinceMs: number;
}
