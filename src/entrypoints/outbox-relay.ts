import { setTimeout as sleep } from 'node:timers/promises';
import { passing } from '../fault-points.ts';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import type { OutboxRecord } from '../service-layer/lane-store.ts';
import type { Partition, PartitionOffset } from '../service-layer/records.ts';
import type { LaneOffsets } from './lane-offsets.ts';
import type { ByteBudget } from './memory-budget.ts';

/**
 * The lane's way out: publishes what the lane's transactions committed, in their order.
 *
 * Guarantee: a `read_committed` consumer sees the answers of a command exactly once, and from the same instant the
 * group's offset lies past that command.
 *
 * 1. The lane commits a batch to the database, outbox rows included, and hands the same rows to the relay.
 * 2. The relay publishes them in one broker transaction per bounded chunk of whole commands, with the group's offset, once the answers
 *    of other lanes that they rest on are out (`lane-offsets.ts`).
 * 3. The lane's next database transaction deletes the rows that are out.
 *
 * A crash between 1 and 2: the rows are in the outbox, past the group's offset; whoever opens the lane next publishes them.
 * A crash between 2 and 3: the rows are in the outbox, below the group's offset; whoever opens the lane next deletes them.
 * After any error the outcome of 2 is unknown: the relay is broken for good, and the lane opens anew, which settles it.
 */
export class OutboxRelay {
  readonly #producer: TransactionalProducer;
  readonly #lane: Partition;
  readonly #group: string;
  readonly #published: LaneOffsets;
  readonly #budget: ByteBudget;
  readonly #onPublished: (chunk: Chunk) => void;
  readonly #onBroken: (error: unknown) => void;
  #queue: QueuedChunk[] = [];
  #queuedRecords = 0;
  #heldBytes = 0;
  #running: Promise<void> | null = null;
  #publishing: Promise<void> = Promise.resolve();
  #broken = false;
  #isWaiting = true;

  constructor(options: {
    readonly producer: TransactionalProducer;
    readonly lane: Partition;
    readonly group: string;
    readonly published: LaneOffsets;
    /** Shared by all lanes of the process. */
    readonly budget: ByteBudget;
    readonly onPublished: (chunk: Chunk) => void;
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
   * Publishes the records, and moves the group's offset to `nextOffset`, also when there are none.
   * @param restsOn what must be out before
   */
  enqueue(
    records: readonly OutboxRecord[],
    nextOffset: number,
    restsOn: readonly PartitionOffset[],
  ): void {
    for (const chunk of wholeCommandChunks(records, nextOffset)) {
      this.#queue.push({ ...chunk, restsOn });
      this.#queuedRecords += chunk.records.length;
      this.#hold(chunk.bytes * COPIES);
    }
    if (this.#broken) this.#hold(-this.#heldBytes);
    this.#running ??= this.#run();
  }

  /** Resolves when the queue is short enough for another batch, or the relay is broken. */
  async room(): Promise<void> {
    while (this.#isFull() && !this.#broken) await this.#publishing;
  }

  /** A lane that holds nothing has room, whatever the others hold: they may be waiting for its answers. */
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

  /** From now on what rests on answers that do not come out is left in the outbox, for whoever opens the lane next. */
  stopWaiting(): void {
    this.#isWaiting = false;
  }

  /** Resolves when everything enqueued is out, the relay is broken, or the time is up. */
  async drain(timeoutMs: number): Promise<void> {
    const deadline = new AbortController();
    await Promise.race([
      this.#running,
      sleep(timeoutMs, undefined, { signal: deadline.signal }).catch(() => {}),
    ]);
    deadline.abort();
  }

  async close(): Promise<void> {
    this.#broken = true;
    this.#queue = [];
    this.#hold(-this.#heldBytes);
    await this.#producer.close();
  }

  async #run(): Promise<void> {
    for (let chunk = this.#take(); chunk && !this.#broken; chunk = this.#take()) {
      this.#publishing = this.#publish(chunk);
      await this.#publishing;
    }
    this.#running = null;
  }

  async #publish(chunk: QueuedChunk): Promise<void> {
    try {
      passing('chunk-taken');
      await this.#othersAreOut(chunk);
      if (this.#broken) return;
      await this.#producer.publish(chunk.records, {
        ...this.#lane,
        group: this.#group,
        nextOffset: chunk.nextOffset,
      });
      this.#queuedRecords -= chunk.records.length;
      if (!this.#broken) this.#hold(-chunk.bytes * COPIES);
      this.#published.note({ ...this.#lane, nextOffset: chunk.nextOffset });
      this.#onPublished(chunk);
    } catch (error) {
      if (!this.#broken) this.#onBroken(error);
      this.#broken = true;
    }
  }

  /** Not for ever: the next owner of what it waits for may be waiting for this lane to close. */
  async #othersAreOut({ restsOn }: QueuedChunk): Promise<void> {
    while (!this.#broken && !(await this.#published.cover(restsOn, OTHERS_TIMEOUT_MS)))
      this.#broken = !this.#isWaiting;
  }

  /** Joins what has queued up, and may go out at once, into one chunk: the busier, the larger the transactions. */
  #take(): QueuedChunk | undefined {
    const first = this.#queue.shift();
    if (!first) return undefined;
    const joined = { ...first, records: [...first.records] };
    const mayJoin = ({ bytes, restsOn }: QueuedChunk) =>
      joined.bytes + bytes <= MAX_CHUNK_BYTES && this.#published.covers(restsOn);
    while (this.#queue[0] && mayJoin(this.#queue[0])) {
      const next = this.#queue.shift() as QueuedChunk;
      joined.records.push(...next.records);
      joined.nextOffset = next.nextOffset;
      joined.bytes += next.bytes;
    }
    return joined;
  }
}

const MAX_QUEUED_RECORDS = 4_000;
/** A record waits as text and as the bytes that go on the wire. */
const COPIES = 2;
const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
/** Then it is looked whether the lane closes. */
const OTHERS_TIMEOUT_MS = 500;

/** What one broker transaction publishes. */
export interface Chunk {
  readonly records: readonly OutboxRecord[];
  readonly nextOffset: number;
  readonly bytes: number;
}

interface QueuedChunk extends Chunk {
  readonly restsOn: readonly PartitionOffset[];
}

/** Cuts records between commands, never inside one. The last chunk moves the offset all the way to `nextOffset`. */
export function wholeCommandChunks(
  records: readonly OutboxRecord[],
  nextOffset: number,
): readonly Chunk[] {
  const chunks: { records: OutboxRecord[]; nextOffset: number; bytes: number }[] = [
    { records: [], nextOffset, bytes: 0 },
  ];
  for (const record of records) {
    let chunk = chunks.at(-1) as (typeof chunks)[number];
    const isNewCommand = chunk.records.at(-1)?.sourceOffset !== record.sourceOffset;
    if (isNewCommand && chunk.bytes > MAX_CHUNK_BYTES / 4) {
      chunk.nextOffset = (chunk.records.at(-1) as OutboxRecord).sourceOffset + 1;
      chunk = { records: [], nextOffset, bytes: 0 };
      chunks.push(chunk);
    }
    chunk.records.push(record);
    chunk.bytes += sizeOf(record);
  }
  return chunks;
}

function sizeOf({ key, value }: OutboxRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + 400;
}
