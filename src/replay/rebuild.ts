import { asLongWork } from '../adapters/database/connection/long-work.ts';
import type { Database } from '../adapters/database/database.ts';
import { replaceParked } from '../adapters/database/lanes/parked-commands.ts';
import {
  EventFold,
  type FoldedEvent,
  UnfoldableError,
} from '../adapters/database/replay/event-fold.ts';
import { writeEventEnds, writePositions } from '../adapters/database/replay/lane-positions.ts';
import { readMark, writeMark } from '../adapters/database/replay/rebuild-mark.ts';
import type { Identity } from '../domain/identity.ts';
import { type PublishedAnswer, readAnswer } from '../messages/read-answer.ts';
import type { Broker, ReadChunk } from '../service-layer/broker.ts';
import { isBefore } from './bounds.ts';
import { ReplayRefusedError } from './errors.ts';
import { foldedEvents } from './folded-events.ts';
import { ForeignRecords, type SkippedRecords } from './foreign-records.ts';
import { nextOffsets } from './offset-ranges.ts';
import { completeParked, readParkedCommands } from './parked-commands.ts';
import type { RebuildPlan } from './rebuild-plan.ts';
import { refuseConflicts, refuseGaps, refuseLostBeginning } from './rebuild-refusals.ts';
import type { RunControl } from './run-control.ts';
import { readAnsweredCommands } from './silent-commands.ts';
import { checkTarget } from './target-check.ts';

/** The result of a rebuild. */
export interface RebuildReport {
  /** How many records of the events topic this run has read. */
  readonly read: number;
  /** How many events have changed the database. */
  readonly applied: number;
  readonly skipped: {
    /** Events that the copy knew already. */
    readonly known: number;
    /** Events whose product and sequence another record had before. */
    readonly repeated: number;
    /** Answers to commands that the group had not passed when the plan was made. */
    readonly beyondThePositions: number;
    /** Events published at or after the moment `until`. */
    readonly later: number;
  };
  /** Records of others that were skipped because the operator decided so. */
  readonly foreign: SkippedRecords;
}

/**
 * Builds the database out of the events topic. Sends nothing and commits nothing for the group.
 *
 * 1. Mark the database, so that no service runs on it, and keep the plan in it.
 * 2. Read the events, lay them aside, and note how far each partition is read. Then read the
 *    commands that the topic still holds, because some were answered with no event.
 * 3. Fold the events, set each lane to where the group stands, and remove the mark, in one
 *    transaction.
 *
 * A rebuild that is started again goes on with the next chunk of step 2, or with step 3. A rebuild
 * that is refused, because events are missing or foreign, leaves the database as it was.
 */
export class Rebuild {
  readonly #broker: Broker;
  readonly #database: Database;
  readonly #plan: RebuildPlan;
  readonly #fold: EventFold;
  /** How far the group has passed each partition of the commands topic. */
  readonly #passed: ReadonlyMap<number, number>;
  readonly #foreign: ForeignRecords;
  #read = 0;
  #applied = 0;
  readonly #skipped = { known: 0, repeated: 0, beyondThePositions: 0, later: 0 };

  private constructor(broker: Broker, database: Database, plan: RebuildPlan) {
    this.#broker = broker;
    this.#database = database;
    this.#plan = plan;
    this.#fold = new EventFold(database);
    this.#foreign = new ForeignRecords(plan.skipForeign);
    this.#passed = nextOffsets(plan.positions);
  }

  get plan(): RebuildPlan {
    return this.#plan;
  }

  /**
   * Checks that the database can be the target. Changes only its schema, if that is an older one.
   * @returns a new rebuild, or an unfinished one with the plan that it began with
   * @throws {ReplayRefusedError} the database cannot be the target
   */
  static async into(database: Database, broker: Broker, plan: RebuildPlan): Promise<Rebuild> {
    return new Rebuild(broker, database, await checkTarget(database, broker, plan));
  }

  /** Counts the offsets that an interrupted rebuild has read. */
  async done(): Promise<number> {
    if ((await readMark(this.#database)) === null) return 0;
    await this.#fold.prepare();
    const progress = await this.#fold.progress();
    return this.#plan.ranges.reduce(
      (sum, { partition, beginning }) =>
        sum + Math.max(0, (progress.get(partition) ?? beginning) - beginning),
      0,
    );
  }

  /**
   * Does the rebuild, or the rest of an interrupted one.
   * @throws {ReplayRefusedError} events are missing or foreign, or contradict each other
   * @throws {UnfoldableError} an allocation rests on a batch that no event has created
   * @throws the signal's reason; the next run goes on from there
   */
  run(control: RunControl): Promise<RebuildReport> {
    return asLongWork(() => this.#run(control));
  }

  async #run(control: RunControl): Promise<RebuildReport> {
    const { signal } = control;
    if ((await readMark(this.#database)) === null)
      await writeMark(this.#database, { state: 'unfinished', plan: JSON.stringify(this.#plan) });
    await this.#fold.prepare();
    try {
      await this.#readEvents(control);
      await refuseConflicts(this.#fold, this.#plan);
      // A database of the past leaves out events behind a gap. A service's database has no gap.
      if (!this.#plan.until) await refuseGaps(this.#fold, this.#plan);
      signal.throwIfAborted();
      const known = await this.#finish(signal);
      this.#applied -= known;
      this.#skipped.known += known;
    } catch (error) {
      if (error instanceof ReplayRefusedError || error instanceof UnfoldableError)
        await this.#giveUp();
      throw error;
    }
    return {
      read: this.#read,
      applied: this.#applied,
      skipped: this.#skipped,
      foreign: this.#foreign.skipped,
    };
  }

  async #readEvents({ advance, signal }: RunControl): Promise<void> {
    const progress = await this.#fold.progress();
    await refuseLostBeginning(this.#broker, this.#database, this.#plan, progress);
    const ranges = this.#plan.ranges.map((range) => ({
      ...range,
      beginning: progress.get(range.partition) ?? range.beginning,
    }));
    const next = new Map(ranges.map(({ partition, beginning }) => [partition, beginning]));
    const take = async (chunk: ReadChunk) => {
      await this.#take(chunk);
      await advance(chunk.nextOffset - (next.get(chunk.partition) ?? 0));
      next.set(chunk.partition, chunk.nextOffset);
    };
    await this.#broker.read(this.#plan.eventsTopic, ranges, take, signal);
  }

  async #take({ partition, records, nextOffset }: ReadChunk): Promise<void> {
    const { until } = this.#plan;
    const events: FoldedEvent[] = [];
    const answered: Identity[] = [];
    for (const record of records) {
      this.#read += 1;
      if (until && !isBefore(record, until)) {
        this.#skipped.later += 1;
        continue;
      }
      const answer = readAnswer(record);
      if (answer.kind === 'foreign') {
        this.#foreign.take(record, answer);
        continue;
      }
      if (!this.#isPassed(answer)) {
        this.#skipped.beyondThePositions += 1;
        continue;
      }
      answered.push(answer.identity);
      events.push(...foldedEvents(answer, partition, record.offset));
    }
    const repeated = await this.#fold.add(events, answered, { partition, nextOffset });
    this.#applied += events.length - repeated;
    this.#skipped.repeated += repeated;
  }

  /** Tells whether the lane has passed the command of this answer. */
  #isPassed({ source: { topic, partition, offset } }: PublishedAnswer): boolean {
    return topic !== this.#plan.commandsTopic || offset < (this.#passed.get(partition) ?? 0);
  }

  /** Removes the mark and what was laid aside: the database is as it was. */
  async #giveUp(): Promise<void> {
    await this.#database.transaction(async (sql) => {
      await this.#fold.forget(sql);
      await sql('delete from rebuilds');
    });
  }

  /** @returns how many events the database had already */
  async #finish(signal: AbortSignal): Promise<number> {
    const { until, positions, logId, eventsTopic, eventsLogId, ranges } = this.#plan;
    const parked = until ? [] : await readParkedCommands(this.#broker, this.#plan, signal);
    if (!until)
      await readAnsweredCommands(
        this.#broker,
        this.#plan,
        (answered) => this.#fold.addAnswered(answered),
        signal,
      );
    return this.#fold.fold(async (sql) => {
      await this.#fold.forget(sql);
      await sql('delete from rebuilds');
      if (until) {
        await sql('insert into rebuilds (state, plan) values (?, ?)', [
          'past',
          JSON.stringify(this.#plan),
        ]);
        return;
      }
      await writePositions(sql, positions, logId);
      const ends = ranges.map(({ partition, end: nextOffset }) => ({
        topic: eventsTopic,
        partition,
        nextOffset,
      }));
      await writeEventEnds(sql, ends, eventsLogId);
      const { dialect } = this.#database;
      await replaceParked(sql, dialect, await completeParked(sql, dialect, parked));
    }, signal);
  }
}
