import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../adapters/database/connection/database-limits.ts';
import { Database } from '../adapters/database/database.ts';
import { copyApart } from '../adapters/database/replay/copy-apart.ts';
import { EventFold } from '../adapters/database/replay/event-fold.ts';
import { readPositions, readWaitingRecords } from '../adapters/database/replay/lane-positions.ts';
import { StockComparison } from '../adapters/database/replay/stock-comparison.ts';
import { type PublishedAnswer, readAnswer } from '../messages/read-answer.ts';
import type { Broker, OffsetRange, ReadChunk } from '../service-layer/broker.ts';
import type { OutboxRecord } from '../service-layer/lane-store.ts';
import { type Difference, Differences, LISTED_OF_EACH_KIND } from './differences.ts';
import { foldedEvents } from './folded-events.ts';
import { ForeignRecords, type SkippedRecords } from './foreign-records.ts';
import { nextOffsets } from './offset-ranges.ts';
import type { RebuildPlan } from './rebuild-plan.ts';
import type { RunControl } from './run-control.ts';
import { addGaps, addTopicFaults, IN_THE_OUTBOX } from './topic-faults.ts';

/** The result of a comparison. */
export interface VerifyReport {
  /** How many records of the events topic were read. */
  readonly read: number;
  /** The partitions whose beginning retention has deleted. Empty: everything was compared. */
  readonly lost: readonly OffsetRange[];
  /**
   * How many products may lack events. The comparison covers only the versions of these products.
   * Each version must reach the newest event of its product.
   */
  readonly incomplete: number;
  /** How many differences of each kind there are. Empty: the database agrees with the topics. */
  readonly counts: Differences['counts'];
  /** The first differences of each kind. */
  readonly differences: readonly Difference[];
  /** Records of others in the events topic that were skipped because the operator decided so. */
  readonly foreign: SkippedRecords;
}

/** Returns the verdict of a report in one word. */
export function verdictOfVerify({
  counts,
  incomplete,
}: Pick<VerifyReport, 'counts' | 'incomplete'>) {
  if (Object.keys(counts).length > 0) return 'different';
  return incomplete > 0 ? 'equal-where-compared' : 'equal';
}

/** Which topics to compare with. */
type VerifyPlan = Pick<RebuildPlan, 'eventsTopic' | 'commandsTopic' | 'group'> &
  Partial<Pick<RebuildPlan, 'skipForeign'>>;

/** Waits for a process that has locked the file to read. */
const COPY_LIMITS = { ...DEFAULT_LIMITS, busyTimeoutMs: 10_000 };

interface AnswerAtOffset {
  readonly answer: PublishedAnswer;
  readonly offset: number;
}

/**
 * Compares a database with the topics, and changes neither.
 *
 * 1. Copy the database as it is at one moment. Its state comes from the events that answer the
 *    commands before the positions of its lanes.
 * 2. Fold these events, and those that wait in the outbox of the copy, into another database.
 * 3. Compare both databases.
 *
 * If retention has deleted the beginning of the events topic, a missing event is no difference.
 * Then only products with all their events are compared fully, and the report counts the others.
 *
 * @param onDifference called each time that differences are found, with all of them so far
 * @throws the signal's reason
 */
export async function verify(
  database: Database,
  broker: Broker,
  plan: VerifyPlan,
  control: RunControl,
  onDifference: (differences: Differences) => void = () => {},
): Promise<VerifyReport> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-verify-'));
  const copyUrl = `sqlite:///${join(directory, 'copy.db')}`;
  const expected = await Database.open(`sqlite:///${join(directory, 'expected.db')}`);
  try {
    await expected.runMigrations();
    // Before the copy. The lanes of a running service go on, and the group goes beyond the copy.
    const committed = await broker.committedOffsets(plan.group, plan.commandsTopic);
    await copyTo(copyUrl, database, control.signal);
    const differences = new Differences(onDifference);
    const verification = new Verification(broker, expected, plan, differences);
    return await verification.run(copyUrl, committed, control);
  } finally {
    await expected.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function copyTo(url: string, database: Database, signal: AbortSignal): Promise<void> {
  const copy = await Database.open(url, COPY_LIMITS);
  try {
    await copy.runMigrations();
    await copyApart(database, copy, { onRows: async () => signal.throwIfAborted() });
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
  readonly #differences: Differences;
  /** The positions of the copy's lanes. */
  #positions: ReadonlyMap<number, number> = new Map();
  #read = 0;

  constructor(broker: Broker, expected: Database, plan: VerifyPlan, differences: Differences) {
    this.#broker = broker;
    this.#differences = differences;
    this.#expected = expected;
    this.#fold = new EventFold(expected);
    this.#plan = plan;
  }

  /** @param committed what the group had committed before the copy was made */
  async run(
    copyUrl: string,
    committed: readonly (number | null)[],
    { advance, signal }: RunControl,
  ): Promise<VerifyReport> {
    const { eventsTopic } = this.#plan;
    const waiting = await this.#readLanes(copyUrl);
    const ranges = await this.#broker.offsetRanges(eventsTopic);
    await this.#fold.prepare();
    const take = async (chunk: ReadChunk) => {
      await this.#take(chunk);
      await advance(chunk.records.length);
    };
    await this.#broker.read(eventsTopic, ranges, take, signal);
    await this.#takeWaiting(waiting);
    for (const [partition, offset] of committed.entries())
      this.#comparePosition(partition, offset ?? 0);
    const lost = (await this.#broker.offsetRanges(eventsTopic)).filter(
      ({ beginning }) => beginning > 0,
    );
    await addTopicFaults(this.#fold, eventsTopic, this.#differences);
    const incomplete = await this.#compareStock(copyUrl, lost.length > 0, signal);
    return {
      read: this.#read,
      lost,
      incomplete,
      counts: this.#differences.counts,
      differences: this.#differences.first,
      foreign: this.#foreign.skipped,
    };
  }

  /**
   * Reads the positions of the copy's lanes.
   * @returns the events that wait in the outbox of the copy
   */
  async #readLanes(copyUrl: string): Promise<readonly OutboxRecord[]> {
    const { commandsTopic, eventsTopic } = this.#plan;
    const copy = await Database.open(copyUrl);
    try {
      this.#positions = nextOffsets(await readPositions(copy, commandsTopic));
      return await readWaitingRecords(copy, commandsTopic, eventsTopic);
    } finally {
      await copy.close();
    }
  }

  async #take({ partition, records, nextOffset }: ReadChunk): Promise<void> {
    this.#read += records.length;
    const answers: AnswerAtOffset[] = [];
    for (const record of records) {
      const answer = readAnswer(record);
      if (answer.kind === 'answer') answers.push({ answer, offset: record.offset });
      else if (this.#plan.skipForeign && !answer.isOurs) this.#foreign.take(record, answer);
      else {
        const place = `${this.#plan.eventsTopic}/${partition}/${record.offset}`;
        const expected = 'an event of this service';
        this.#differences.add('foreign-record', place, expected, answer.message);
      }
    }
    await this.#layAside(answers, partition, nextOffset);
  }

  /** Takes the events of the outbox. The topic may have some of them already. */
  async #takeWaiting(records: readonly OutboxRecord[]): Promise<void> {
    const answers = records.map(({ value, headers }) =>
      readAnswer({ value: value as Buffer, headers }),
    );
    await this.#layAside(
      answers.flatMap((answer) => (answer.kind === 'answer' ? [{ answer, offset: 0 }] : [])),
      IN_THE_OUTBOX,
      0,
    );
  }

  /** Lays aside for the fold the answers that the copy has given. */
  async #layAside(
    answers: readonly AnswerAtOffset[],
    partition: number,
    nextOffset: number,
  ): Promise<void> {
    const given = answers.filter(({ answer }) => this.#isGivenByCopy(answer));
    const events = given.flatMap(({ answer, offset }) => foldedEvents(answer, partition, offset));
    const answered = given.map(({ answer }) => answer.identity);
    await this.#fold.add(events, answered, { partition, nextOffset });
  }

  #isGivenByCopy({ source: { topic, partition, offset } }: PublishedAnswer): boolean {
    return topic !== this.#plan.commandsTopic || offset < (this.#positions.get(partition) ?? 0);
  }

  /** A lane may be ahead of the group by what waits in its outbox, but never behind the group. */
  #comparePosition(partition: number, committed: number): void {
    const position = this.#positions.get(partition) ?? 0;
    if (position >= committed) return;
    const lane = `lane ${this.#plan.commandsTopic}/${partition}`;
    const expected = `at ${committed} or beyond`;
    this.#differences.add('position', lane, expected, `at ${position}`);
  }

  /** @returns how many products may lack events */
  async #compareStock(
    copyUrl: string,
    hasLostEvents: boolean,
    signal: AbortSignal,
  ): Promise<number> {
    signal.throwIfAborted();
    const comparison = await StockComparison.open(this.#expected, copyUrl);
    if (!hasLostEvents) await addGaps(this.#fold, this.#differences);
    const incomplete = hasLostEvents ? await comparison.leaveOutIncomplete() : 0;
    await this.#fold.fold(async () => {}, signal);
    for (const [kind, count] of await comparison.counts(signal))
      this.#differences.addAll(kind, count, await comparison.first(kind, LISTED_OF_EACH_KIND));
    return incomplete;
  }
}
