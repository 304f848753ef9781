import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../adapters/database/database.ts';
import { copyDatabase, copySqliteFile } from '../adapters/database/replay/copy-database.ts';
import { EventFold } from '../adapters/database/replay/event-fold.ts';
import { readPositions, readWaitingRecords } from '../adapters/database/replay/rebuild-target.ts';
import {
  type DifferenceKind,
  StockComparison,
  type StockDifference,
} from '../adapters/database/replay/stock-comparison.ts';
import { type PublishedAnswer, readPublished } from '../messages/published.ts';
import type { Broker, Delivery, OffsetRange } from '../service-layer/broker.ts';
import type { OutboxRecord } from '../service-layer/lane-store.ts';
import type { PartitionOffset } from '../service-layer/records.ts';
import { foldedEvents } from './folded-events.ts';
import { ForeignRecords, type SkippedRecords } from './foreign-records.ts';
import type { Watch } from './rebuild.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/** What the topic says that it should not, or the lanes. */
export type TopicDifferenceKind =
  | 'event-missing'
  | 'event-repeated'
  | 'event-conflict'
  | 'event-out-of-order'
  | 'foreign-record'
  | 'position';

/** One difference in plain words. */
export interface Difference extends Omit<StockDifference, 'kind'> {
  readonly kind: DifferenceKind | TopicDifferenceKind;
}

export interface VerifyReport {
  /** Records of the events topic. */
  readonly read: number;
  /** Partitions whose beginning is gone, by retention; none: everything was compared. */
  readonly lost: readonly OffsetRange[];
  /** Products of which events may be gone: only that their version is not older than their newest event was compared. */
  readonly incomplete: number;
  /** How many there are of each kind; none: the database says what the topics say. */
  readonly counts: Readonly<Partial<Record<Difference['kind'], number>>>;
  /** The first of each kind. */
  readonly differences: readonly Difference[];
  /** Records of others in the events topic, which the operator has decided to skip. */
  readonly foreign: SkippedRecords;
}

/** The topics, and what to make of them. */
type VerifyPlan = Pick<RebuildPlan, 'eventsTopic' | 'commandsTopic' | 'group'> &
  Partial<Pick<RebuildPlan, 'skipForeign'>>;

const OF_EACH_KIND = 5;
/** In the place of a partition of the events topic. */
const IN_THE_OUTBOX = -1;

interface Placed {
  readonly answer: PublishedAnswer;
  readonly offset: number;
}

/**
 * Compares a database with the topics, and changes neither.
 *
 * 1. A copy of the database, as it is at one moment. Its lanes stand somewhere: the events that answer commands before that are what made it.
 * 2. These events, and those that wait in the copy's outbox, are folded into another database.
 * 3. The two are compared.
 *
 * Where the retention of the events topic has deleted its beginning, a missing event is no difference, and only products of which every
 * event is there are compared whole. The report says how many are not.
 */
export async function verify(
  database: Database,
  broker: Broker,
  plan: VerifyPlan,
  watch: Watch,
): Promise<VerifyReport> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-verify-'));
  const copyUrl = `sqlite:///${join(directory, 'copy.db')}`;
  const expected = await Database.open(`sqlite:///${join(directory, 'expected.db')}`);
  try {
    await expected.runMigrations();
    await copyOf(database, copyUrl);
    return await new Verification(broker, expected, plan).run(copyUrl, watch);
  } finally {
    await expected.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function copyOf(database: Database, url: string): Promise<void> {
  if (database.dialect === 'sqlite') return copySqliteFile(database, url);
  const copy = await Database.open(url);
  try {
    await copy.runMigrations();
    await copyDatabase(database, copy);
  } finally {
    await copy.close();
  }
}

class Verification {
  readonly #broker: Broker;
  readonly #expected: Database;
  readonly #fold: EventFold;
  readonly #plan: VerifyPlan;
  readonly #foreign = new ForeignRecords(true);
  readonly #counts: Partial<Record<Difference['kind'], number>> = {};
  readonly #differences: Difference[] = [];
  #positions: readonly PartitionOffset[] = [];
  #read = 0;

  constructor(broker: Broker, expected: Database, plan: VerifyPlan) {
    this.#broker = broker;
    this.#expected = expected;
    this.#fold = new EventFold(expected);
    this.#plan = plan;
  }

  async run(copyUrl: string, { advance, signal }: Watch): Promise<VerifyReport> {
    const { eventsTopic, commandsTopic, group } = this.#plan;
    const waiting = await this.#lookAt(copyUrl);
    const committed = await this.#broker.committedOffsets(group, commandsTopic);
    const ranges = await this.#broker.offsetRanges(eventsTopic);
    await this.#fold.prepare();
    await this.#broker.read(
      eventsTopic,
      ranges,
      async (delivery) => {
        await this.#take(delivery);
        await advance(delivery.records.length);
      },
      signal,
    );
    await this.#takeWaiting(waiting);
    for (const [partition, offset] of committed.entries())
      this.#comparePosition(partition, offset ?? 0);
    const lost = (await this.#broker.offsetRanges(eventsTopic)).filter(
      ({ beginning }) => beginning > 0,
    );
    await this.#judgeTopic();
    const comparison = await StockComparison.open(this.#expected, copyUrl);
    if (lost.length === 0) await this.#judgeGaps();
    const incomplete = lost.length === 0 ? 0 : await comparison.leaveOutIncomplete();
    await this.#fold.fold(async () => {});
    for (const [kind, count] of await comparison.counts()) {
      this.#counts[kind] = count;
      this.#differences.push(...(await comparison.first(kind, OF_EACH_KIND)));
    }
    return {
      read: this.#read,
      lost,
      incomplete,
      counts: this.#counts,
      differences: this.#differences,
      foreign: this.#foreign.skipped,
    };
  }

  /** Where the copy's lanes stand. @returns the events that it has not published yet */
  async #lookAt(copyUrl: string): Promise<readonly OutboxRecord[]> {
    const copy = await Database.open(copyUrl);
    try {
      this.#positions = await readPositions(copy, this.#plan.commandsTopic);
      return await readWaitingRecords(copy, this.#plan.commandsTopic, this.#plan.eventsTopic);
    } finally {
      await copy.close();
    }
  }

  async #take({ partition, records, nextOffset }: Delivery): Promise<void> {
    this.#read += records.length;
    const answers: Placed[] = [];
    for (const record of records) {
      const answer = readPublished(record);
      if (answer.kind === 'answer') answers.push({ answer, offset: record.offset });
      else if (this.#plan.skipForeign && !answer.isOurs) this.#foreign.take(record, answer);
      else {
        const subject = `${this.#plan.eventsTopic}/${partition}/${record.offset}`;
        this.#note({
          kind: 'foreign-record',
          subject,
          expected: 'an event of this service',
          found: answer.message,
          event: null,
        });
      }
    }
    await this.#add(answers, partition, nextOffset);
  }

  /** Some of them may be in the topic already. */
  async #takeWaiting(records: readonly OutboxRecord[]): Promise<void> {
    const answers = records.map(({ value, headers }) =>
      readPublished({ value: value as Buffer, headers }),
    );
    await this.#add(
      answers.flatMap((answer) => (answer.kind === 'answer' ? [{ answer, offset: 0 }] : [])),
      IN_THE_OUTBOX,
      0,
    );
  }

  async #add(answers: readonly Placed[], partition: number, nextOffset: number): Promise<void> {
    const ours = answers.filter(({ answer }) => this.#isIn(answer.source));
    const events = ours.flatMap(({ answer, offset }) => foldedEvents(answer, partition, offset));
    await this.#fold.add(
      events,
      ours.map(({ answer }) => answer.identity),
      { partition, nextOffset },
    );
  }

  #isIn({
    topic,
    partition,
    offset,
  }: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
  }): boolean {
    return topic !== this.#plan.commandsTopic || offset < this.#positionOf(partition);
  }

  #positionOf(partition: number): number {
    return this.#positions.find((position) => position.partition === partition)?.nextOffset ?? 0;
  }

  /** A database may be ahead of the group, by what waits in its outbox; never behind. */
  #comparePosition(partition: number, committed: number): void {
    const position = this.#positionOf(partition);
    if (position >= committed) return;
    const subject = `lane ${this.#plan.commandsTopic}/${partition}`;
    this.#note({
      kind: 'position',
      subject,
      expected: `at ${committed} or beyond`,
      found: `at ${position}`,
      event: null,
    });
  }

  async #judgeTopic(): Promise<void> {
    for (const { sku, sequence, event } of await this.#fold.repeats()) {
      this.#note({
        kind: 'event-repeated',
        subject: `product ${sku}`,
        expected: `one event of ce_sequence ${sequence}`,
        found: 'another',
        event,
      });
    }
    for (const {
      sku,
      sequence,
      firstId,
      firstPlace,
      otherId,
      otherPlace,
    } of await this.#fold.conflicts(Number.MAX_SAFE_INTEGER)) {
      const at = (id: string, place: string) =>
        place.startsWith(`${IN_THE_OUTBOX}/`)
          ? `${id} in the outbox`
          : `${id} at ${this.#plan.eventsTopic}/${place}`;
      const found = `${at(firstId, firstPlace)} and, different, ${at(otherId, otherPlace)}`;
      this.#note({
        kind: 'event-conflict',
        subject: `product ${sku}`,
        expected: `one event of ce_sequence ${sequence}`,
        found,
        event: null,
      });
    }
    for (const { sku, sequence, previous, event } of await this.#fold.outOfOrder()) {
      const found = `${sequence} behind ${previous}`;
      this.#note({
        kind: 'event-out-of-order',
        subject: `product ${sku}`,
        expected: 'ce_sequence in order',
        found,
        event,
      });
    }
  }

  async #judgeGaps(): Promise<void> {
    for (const { sku, missing, count } of await this.#fold.gaps(Number.MAX_SAFE_INTEGER)) {
      const found = `${count} events behind it, which were left out`;
      this.#note({
        kind: 'event-missing',
        subject: `product ${sku}`,
        expected: `ce_sequence ${missing}`,
        found,
        event: null,
      });
    }
  }

  #note(difference: Difference): void {
    const count = (this.#counts[difference.kind] ?? 0) + 1;
    this.#counts[difference.kind] = count;
    if (count <= OF_EACH_KIND) this.#differences.push(difference);
  }
}
