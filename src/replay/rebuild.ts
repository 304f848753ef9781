import { asLongWork } from '../adapters/database/connection/statement-timeout.ts';
import type { Database } from '../adapters/database/database.ts';
import { replaceParked } from '../adapters/database/lanes/parked-commands.ts';
import {
  EventFold,
  type FoldedEvent,
  UnfoldableError,
} from '../adapters/database/replay/event-fold.ts';
import {
  isEmpty,
  isUsedByOthers,
  readMark,
  readSeen,
  writeMark,
  writePositions,
  writeSeen,
} from '../adapters/database/replay/rebuild-target.ts';
import type { Identity } from '../domain/identity.ts';
import { type PublishedAnswer, readPublished } from '../messages/published.ts';
import type { Broker, Delivery, OffsetRange } from '../service-layer/broker.ts';
import { refuseEmptyTopic } from './empty-topic.ts';
import { ReplayRefusedError } from './errors.ts';
import { describeConflict, foldedEvents } from './folded-events.ts';
import { ForeignRecords, type SkippedRecords } from './foreign-records.ts';
import { completeParked, readParkedCommands } from './parked-commands.ts';
import { isBefore } from './place.ts';
import { isSame, type RebuildPlan, readPlan } from './rebuild-plan.ts';
import { readAnsweredCommands } from './silent-commands.ts';

/** So many products with missing events are named. */
const GAPS_NAMED = 3;
/** So many pairs of different events with one sequence are named. */
const CONFLICTS_NAMED = 3;
const THE_WAYS_THAT_REMAIN =
  'What remains: a younger copy of the database, such as a backup or what "replay snapshot" wrote; name it with --into, and add --from-copy';

/** What a rebuild came to. */
export interface RebuildReport {
  /** Records of the events topic, this time. */
  readonly read: number;
  /** Events that were laid aside for the fold. */
  readonly applied: number;
  readonly skipped: {
    /** The copy had it already. */
    readonly known: number;
    /** An event of that product and sequence was there already. */
    readonly repeated: number;
    /** Answers of commands that the group had not passed when the plan was made. */
    readonly beyondThePositions: number;
    /** After the moment that was asked for. */
    readonly later: number;
  };
  /** Records of others, which the operator has decided to skip. */
  readonly foreign: SkippedRecords;
}

export interface Watch {
  /** Told of so many offsets more. Resolves when the next may be read. */
  readonly advance: (offsets: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Builds the database out of the events topic. Sends nothing, moves no group.
 *
 * 1. `openTarget` marks the database, so that no service runs on it, and keeps the plan in it.
 * 2. The events are read and laid aside, with how far each partition was read. Then the commands are
 *    read, as far back as their topic reaches: some were answered with no event.
 * 3. One transaction folds them, sets the lanes to where the group stands, and takes the mark away.
 *
 * Interrupted anywhere, it goes on when it is started again: before 2 has laid a chunk aside with that chunk, before 3 has
 * committed with 3. Refused (events are missing, or foreign), it leaves the database as it was.
 */
export class Rebuild {
  readonly #broker: Broker;
  readonly #database: Database;
  readonly #plan: RebuildPlan;
  readonly #fold: EventFold;
  readonly #positions: ReadonlyMap<string, number>;
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
    this.#positions = new Map(
      plan.positions.map(({ topic, partition, nextOffset }) => [
        `${topic}/${partition}`,
        nextOffset,
      ]),
    );
  }

  get plan(): RebuildPlan {
    return this.#plan;
  }

  /**
   * Looks whether the database can be the target, and changes nothing but its schema, when that is of an older version.
   * @returns a rebuild that begins, or goes on with the plan that it began with
   * @throws {ReplayRefusedError}
   */
  static async into(database: Database, broker: Broker, plan: RebuildPlan): Promise<Rebuild> {
    await database.runMigrations();
    if (await isUsedByOthers(database))
      throw new ReplayRefusedError(
        'The target is in use by another process: stop the service that runs on it first',
      );
    const mark = await readMark(database);
    if (mark?.state === 'past')
      throw new ReplayRefusedError(
        'The target shows the past, from a rebuild with --until: use another one',
      );
    if (mark) {
      const begun = readPlan(mark.plan);
      if (isSame(begun, plan))
        return new Rebuild(broker, database, {
          ...begun,
          skipForeign: begun.skipForeign || plan.skipForeign,
        });
      throw new ReplayRefusedError(
        'The target holds an unfinished rebuild of other topics, or of another moment: finish that one, or use another target',
      );
    }
    const empty = await isEmpty(database);
    if (!empty && !plan.fromCopy) {
      throw new ReplayRefusedError(
        'The target is not empty: name an empty one, or add --from-copy to bring an older copy up to date',
      );
    }
    if (!plan.until) await refuseEmptyTopic(broker, plan);
    const rebuild = new Rebuild(
      broker,
      database,
      plan.fromCopy ? await withoutWhatIsSeen(database, plan) : plan,
    );
    await rebuild.#refuseLostBeginning(new Map());
    return rebuild;
  }

  /** How far an interrupted one has come, in offsets. */
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
   * @throws {ReplayRefusedError} events are missing, or foreign
   * @throws what the signal was aborted with; started again, it goes on
   */
  run(watch: Watch): Promise<RebuildReport> {
    return asLongWork(() => this.#run(watch));
  }

  async #run({ advance, signal }: Watch): Promise<RebuildReport> {
    if ((await readMark(this.#database)) === null)
      await writeMark(this.#database, { state: 'unfinished', plan: JSON.stringify(this.#plan) });
    await this.#fold.prepare();
    try {
      const progress = await this.#fold.progress();
      await this.#refuseLostBeginning(progress);
      const left = this.#plan.ranges.map((range) => ({
        ...range,
        beginning: progress.get(range.partition) ?? range.beginning,
      }));
      let at = new Map(left.map(({ partition, beginning }) => [partition, beginning]));
      await this.#broker.read(
        this.#plan.eventsTopic,
        left,
        async (delivery) => {
          await this.#take(delivery);
          await advance(delivery.nextOffset - (at.get(delivery.partition) ?? 0));
          at = at.set(delivery.partition, delivery.nextOffset);
        },
        signal,
      );
      await this.#refuseConflicts();
      await this.#refuseGaps();
      signal.throwIfAborted();
      const known = await this.#finish(signal);
      this.#applied -= known;
      this.#skipped.known += known;
    } catch (error) {
      if (!(error instanceof ReplayRefusedError || error instanceof UnfoldableError)) throw error;
      await this.#database.transaction(async (sql) => {
        await this.#fold.forget(sql);
        await sql('delete from rebuilds');
      });
      throw error;
    }
    return {
      read: this.#read,
      applied: this.#applied,
      skipped: this.#skipped,
      foreign: this.#foreign.skipped,
    };
  }

  async #take({ partition, records, nextOffset }: Delivery): Promise<void> {
    const { until } = this.#plan;
    const events: FoldedEvent[] = [];
    const answered: Identity[] = [];
    for (const record of records) {
      this.#read += 1;
      if (until && !isBefore(record, until)) {
        this.#skipped.later += 1;
        continue;
      }
      const answer = readPublished(record);
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

  /** Whether the lane will not handle the command again. */
  #isPassed({ source: { topic, partition, offset } }: PublishedAnswer): boolean {
    return (
      topic !== this.#plan.commandsTopic ||
      offset < (this.#positions.get(`${topic}/${partition}`) ?? 0)
    );
  }

  /**
   * Products whose every event is gone leave no gap. From empty, the topic must reach back to its beginning; a snapshot knows from where
   * on it needs the topic. Of another copy nobody knows that: what its products lack shows as a gap.
   * @param progress how far each partition was read before
   */
  async #refuseLostBeginning(progress: ReadonlyMap<number, number>): Promise<void> {
    const { until, fromCopy, eventsTopic, eventsLogId } = this.#plan;
    if (until) return;
    const seen = fromCopy ? await readSeen(this.#database, eventsTopic, eventsLogId) : null;
    const needed = (partition: number) =>
      progress.get(partition) ?? (fromCopy ? seen?.get(partition) : 0) ?? Number.POSITIVE_INFINITY;
    const lost = (await this.#broker.offsetRanges(eventsTopic)).filter(
      ({ partition, beginning }) => beginning > needed(partition),
    );
    if (lost.length === 0) return;
    const begins = lost.map(
      ({ partition, beginning }) =>
        `${partition} begins at ${beginning}, and is needed from ${needed(partition)} on`,
    );
    throw new ReplayRefusedError(
      `The retention of ${eventsTopic} has deleted events (partition ${begins.join(', ')}). ${THE_WAYS_THAT_REMAIN}`,
    );
  }

  /** Nobody can tell which of two different events with one sequence happened. */
  async #refuseConflicts(): Promise<void> {
    const conflicts = await this.#fold.conflicts(CONFLICTS_NAMED);
    if (conflicts.length === 0) return;
    const { eventsTopic } = this.#plan;
    const named = conflicts.map((conflict) => describeConflict(conflict, eventsTopic)).join('; ');
    throw new ReplayRefusedError(
      `Different events have one sequence: ${named}. ${eventsTopic} has two writers, or was changed`,
    );
  }

  /** Of the past, what lacks an earlier event is left out; a database to run on must lack nothing. */
  async #refuseGaps(): Promise<void> {
    if (this.#plan.until) return;
    const gaps = await this.#fold.gaps(GAPS_NAMED);
    if (gaps.length === 0) return;
    const named = gaps
      .map(({ sku, missing }) => `${sku} from ce_sequence ${missing} on`)
      .join(', ');
    throw new ReplayRefusedError(
      this.#plan.ranges.some(({ beginning }) => beginning > 0)
        ? `Events are missing (${named}): the retention of ${this.#plan.eventsTopic} has deleted its beginning. ${THE_WAYS_THAT_REMAIN}`
        : `Events are missing in ${this.#plan.eventsTopic} (${named}): was something deleted, or is it the topic of another group?`,
    );
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
      const seen = ranges.map(({ partition, end: nextOffset }) => ({
        topic: eventsTopic,
        partition,
        nextOffset,
      }));
      await writeSeen(sql, seen, eventsLogId);
      const { dialect } = this.#database;
      await replaceParked(sql, dialect, await completeParked(sql, dialect, parked));
    }, signal);
  }
}

/** A snapshot knows how far it has the events topic; of another copy all of it is read. */
async function withoutWhatIsSeen(database: Database, plan: RebuildPlan): Promise<RebuildPlan> {
  const seen = await readSeen(database, plan.eventsTopic, plan.eventsLogId);
  const from = ({ partition, beginning, end }: OffsetRange) =>
    Math.min(end, Math.max(beginning, seen?.get(partition) ?? 0));
  return { ...plan, ranges: plan.ranges.map((range) => ({ ...range, beginning: from(range) })) };
}
