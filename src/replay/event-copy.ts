import type { Config } from '../config.ts';
import { type PublishedAnswer, readPublished } from '../messages/published.ts';
import type { Broker, Delivery, OffsetRange } from '../service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';
import { isBefore, type Place } from './place.ts';
import type { Watch } from './rebuild.ts';

/** So many records are sent together; after a crash as many may be sent again. */
const CHUNK_RECORDS = 500;

/** Which events. */
export interface EventSelection {
  readonly from: Place | null;
  /** Exclusive. */
  readonly to: Place | null;
  /** One event that matches chooses the composite that it is in. */
  readonly type: string | null;
  readonly sku: string | null;
}

export interface EventCopyPlan {
  readonly eventsTopic: string;
  readonly target: string;
  /** Of the events topic. */
  readonly ranges: readonly OffsetRange[];
  readonly selection: EventSelection;
}

export interface EventCopyReport {
  /** Records of the events topic, this time. */
  readonly read: number;
  readonly sent: number;
  readonly skipped: {
    /** Before the moment that was asked for. */
    readonly earlier: number;
    /** After it. */
    readonly later: number;
    /** Of another type or product. */
    readonly notChosen: number;
    /** No events of this service. */
    readonly foreign: number;
  };
}

/**
 * @param resume where an interrupted copy goes on, by partition; null: it begins
 * @throws {ReplayRefusedError} the target is a topic that the service itself reads or writes, or there is no such partition
 * @throws {MissingTopicError} there is no such target
 */
export async function planEventCopy(
  broker: Broker,
  {
    commandsTopic,
    eventsTopic,
    deadLettersTopic,
  }: Pick<Config, 'commandsTopic' | 'eventsTopic' | 'deadLettersTopic'>,
  target: string,
  selection: EventSelection,
  resume: ReadonlyMap<number, number> | null,
): Promise<EventCopyPlan> {
  if ([commandsTopic, eventsTopic, deadLettersTopic].includes(target))
    throw new ReplayRefusedError(
      `${target} is a topic of the service itself: name one of the consumer that lost its state`,
    );
  const present = await broker.offsetRanges(eventsTopic);
  const maxMessageBytes = await broker.maxMessageBytes(eventsTopic);
  await broker.ensureTopics([{ name: target, partitions: present.length, maxMessageBytes }], false);
  const unknown = [...(resume?.keys() ?? [])].find(
    (partition) => !present.some((range) => range.partition === partition),
  );
  if (unknown !== undefined)
    throw new ReplayRefusedError(
      `${eventsTopic} has no partition ${unknown}: --resume belongs to another copy`,
    );
  const ranges = present.map((range) =>
    narrowed(range, selection, resume?.get(range.partition) ?? 0),
  );
  return { eventsTopic, target, ranges, selection };
}

/** By what is known before anything is read: moments are compared with each record. */
function narrowed(
  { partition, beginning, end }: OffsetRange,
  { from, to }: EventSelection,
  resumed: number,
): OffsetRange {
  const last = to && 'offset' in to ? Math.min(end, to.offset) : end;
  const first = Math.max(beginning, resumed, from && 'offset' in from ? from.offset : 0);
  return { partition, beginning: Math.min(first, last), end: last };
}

/**
 * Copies past events into another topic, as they are, with a header that says so. Moves no group.
 *
 * A chunk is sent, and acknowledged, before the next: each key's records come in their order, and `positions` says how far it has come.
 * A crash in between: one that goes on at the last known positions sends at most a chunk again, of the same ids.
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

  /** Of each partition the offset from which on nothing was sent. */
  get positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  /** @throws what the signal was aborted with */
  async run({ advance, signal }: Watch): Promise<EventCopyReport> {
    const { eventsTopic, ranges } = this.#plan;
    await this.#broker.read(
      eventsTopic,
      ranges,
      async ({ partition, records, nextOffset }) => {
        for (const chunk of chunksOf({ partition, records, nextOffset })) {
          await this.#take(chunk.records);
          const before = this.#positions.get(partition) ?? 0;
          this.#positions.set(partition, chunk.nextOffset);
          await advance(chunk.nextOffset - before);
          signal.throwIfAborted();
        }
      },
      signal,
    );
    return { read: this.#read, sent: this.#sent, skipped: this.#skipped };
  }

  async #take(records: readonly ReceivedRecord[]): Promise<void> {
    const chosen = records.filter((record) => this.#isChosen(record));
    if (chosen.length > 0) await this.#broker.publish(this.#plan.target, chosen.map(asReplayed));
    this.#read += records.length;
    this.#sent += chosen.length;
  }

  #isChosen(record: ReceivedRecord): boolean {
    const { from, to } = this.#plan.selection;
    if (from && isBefore(record, from)) return this.#skip('earlier');
    if (to && !isBefore(record, to)) return this.#skip('later');
    const answer = readPublished(record);
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

  #skip(why: keyof EventCopyReport['skipped']): false {
    this.#skipped[why] += 1;
    return false;
  }
}

function asReplayed({ key, value, headers }: ReceivedRecord): LogRecord {
  return { key, value, headers: { ...headers, ce_replay: 'true' } };
}

/** The last one ends where the delivery does. */
function chunksOf({ partition, records, nextOffset }: Delivery): readonly Delivery[] {
  const chunks: Delivery[] = [];
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
