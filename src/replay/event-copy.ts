import type { Config } from '../config.ts';
import { type PublishedAnswer, readAnswer } from '../messages/read-answer.ts';
import type { Broker, OffsetRange, ReadChunk } from '../service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../service-layer/records.ts';
import { type Bound, type Bounds, isBefore } from './bounds.ts';
import { ReplayRefusedError } from './errors.ts';
import type { RunControl } from './run-control.ts';

/** How many records are sent together. The copy may send as many again after a crash. */
const CHUNK_RECORDS = 500;

/**
 * Which answers are copied: those with an event of this type about this product. Null: any. An
 * answer of several events is copied whole.
 */
export interface EventSelection extends Bounds {
  readonly type: string | null;
  readonly sku: string | null;
}

/** What a copy reads, and where it writes. */
export interface EventCopyPlan {
  readonly eventsTopic: string;
  /** The topic to copy to. */
  readonly target: string;
  /** The offsets to read of the events topic. */
  readonly ranges: readonly OffsetRange[];
  readonly selection: EventSelection;
}

interface EventCopyReport {
  /** How many records of the events topic this run has read. */
  readonly read: number;
  readonly sent: number;
  readonly skipped: {
    /** Records before `from`. */
    readonly earlier: number;
    /** Records at or after `to`. */
    readonly later: number;
    /** Answers without an event of the type and product. */
    readonly notChosen: number;
    /** Records that this service did not write. */
    readonly foreign: number;
  };
}

/**
 * Plans a copy.
 *
 * @param resume the offset in each partition where an interrupted copy goes on; null: a new copy
 * @throws {ReplayRefusedError} the service itself reads or writes the target, or `resume` names a
 *   partition that does not exist
 * @throws {MissingTopicError} the target does not exist
 * @throws {TroubleError} the log cannot be reached
 */
export async function planEventCopy(
  broker: Broker,
  config: Pick<Config, 'commandsTopic' | 'eventsTopic' | 'deadLettersTopic' | 'auditTopic'>,
  target: string,
  selection: EventSelection,
  resume: ReadonlyMap<number, number> | null,
): Promise<EventCopyPlan> {
  const { commandsTopic, eventsTopic, deadLettersTopic, auditTopic } = config;
  if ([commandsTopic, eventsTopic, deadLettersTopic, auditTopic].includes(target))
    throw new ReplayRefusedError(
      `${target} is a topic of the service itself: name a topic of the consumer that lost data`,
    );
  const present = await broker.offsetRanges(eventsTopic);
  const maxMessageBytes = await broker.maxMessageBytes(eventsTopic);
  await broker.ensureTopics([{ name: target, partitions: present.length, maxMessageBytes }], false);
  const unknown = [...(resume?.keys() ?? [])].find(
    (partition) => !present.some((range) => range.partition === partition),
  );
  if (unknown !== undefined)
    throw new ReplayRefusedError(
      `${eventsTopic} has no partition ${unknown}: give --resume what this copy has printed`,
    );
  const ranges = present.map((range) =>
    narrowRange(range, selection, resume?.get(range.partition) ?? 0),
  );
  return { eventsTopic, target, ranges, selection };
}

/** Narrows the range by offsets. Moments are compared later, with each record. */
function narrowRange(
  { partition, beginning, end }: OffsetRange,
  { from, to }: Bounds,
  resumeAt: number,
): OffsetRange {
  const offsetOf = (bound: Bound | null) => (bound && 'offset' in bound ? bound.offset : null);
  const last = Math.min(end, offsetOf(to) ?? end);
  const first = Math.max(beginning, resumeAt, offsetOf(from) ?? 0);
  return { partition, beginning: Math.min(first, last), end: last };
}

/**
 * Copies past events into another topic. The copies have one more header, `ce_replay: true`. No
 * committed offset changes.
 *
 * The log acknowledges each chunk before the next is sent. So the records of a key keep their
 * order, and `positions` tells how far the copy has come. A copy that goes on after a crash sends
 * at most one chunk again, with the same event ids.
 */
export class EventCopy {
  readonly #broker: Broker;
  readonly #plan: EventCopyPlan;
  readonly #positions: Map<number, number>;
  #read = 0;
  #sent = 0;
  readonly #skipped = { earlier: 0, later: 0, notChosen: 0, foreign: 0 };

  constructor(broker: Broker, plan: EventCopyPlan) {
    this.#broker = broker;
    this.#plan = plan;
    this.#positions = new Map(
      plan.ranges.map(({ partition, beginning }) => [partition, beginning]),
    );
  }

  /** The next offset to send of each partition. */
  get positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  /**
   * Copies the rest of the plan.
   * @throws {TroubleError} the log cannot be reached
   * @throws the signal's reason
   */
  async run({ advance, signal }: RunControl): Promise<EventCopyReport> {
    const { eventsTopic, ranges } = this.#plan;
    const take = async (read: ReadChunk) => {
      for (const { partition, records, nextOffset } of chunksOf(read)) {
        await this.#send(records);
        const before = this.#positions.get(partition) ?? 0;
        this.#positions.set(partition, nextOffset);
        await advance(nextOffset - before);
        signal.throwIfAborted();
      }
    };
    await this.#broker.read(eventsTopic, ranges, take, signal);
    return { read: this.#read, sent: this.#sent, skipped: this.#skipped };
  }

  async #send(records: readonly ReceivedRecord[]): Promise<void> {
    const copies = records.filter((record) => this.#isChosen(record)).map(copyOf);
    if (copies.length > 0) await this.#broker.publish(this.#plan.target, copies);
    this.#read += records.length;
    this.#sent += copies.length;
  }

  #isChosen(record: ReceivedRecord): boolean {
    const { from, to } = this.#plan.selection;
    if (from && isBefore(record, from)) return this.#skip('earlier');
    if (to && !isBefore(record, to)) return this.#skip('later');
    const answer = readAnswer(record);
    if (answer.kind === 'foreign') return this.#skip('foreign');
    return this.#matches(answer) || this.#skip('notChosen');
  }

  #matches({ events }: PublishedAnswer): boolean {
    const { type, sku } = this.#plan.selection;
    return events.some(
      (event) =>
        (type === null || event.type === type) &&
        (sku === null || ('sku' in event.data && event.data.sku === sku)),
    );
  }

  #skip(reason: keyof EventCopyReport['skipped']): false {
    this.#skipped[reason] += 1;
    return false;
  }
}

function copyOf({ key, value, headers }: ReceivedRecord): LogRecord {
  return { key, value, headers: { ...headers, ce_replay: 'true' } };
}

/** Cuts a chunk that was read into smaller ones to send. The last one ends at the same offset. */
function chunksOf({ partition, records, nextOffset }: ReadChunk): readonly ReadChunk[] {
  const chunks: ReadChunk[] = [];
  for (let start = 0; start === 0 || start < records.length; start += CHUNK_RECORDS) {
    const next = records[start + CHUNK_RECORDS];
    chunks.push({
      partition,
      records: records.slice(start, start + CHUNK_RECORDS),
      nextOffset: next ? next.offset : nextOffset,
    });
  }
  return chunks;
}
