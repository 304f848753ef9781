import { type History, type HistoryRecord, placeOf } from '../support/judge/history.ts';
import { identityIn } from '../support/judge/identity.ts';
import { identityOf } from '../support/judge/read-commands.ts';
import { asHistoryRecord } from '../support/read-history.ts';
import type { Office } from './outages.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { World } from './world.ts';

interface Topics {
  readonly commands: string;
  readonly events: string;
}

/** Hears what befalls the cluster. */
interface Listener {
  /** Whether commands may be deleted before they are answered. */
  readonly mayLoseCommands: boolean;
  happens(fault: string): void;
  /** The group has lost its offsets in these partitions. */
  forgets(partitions: Iterable<number>): void;
  /** Makes all members leave. */
  leave(): void;
}

/** A log that has lost its end. */
interface Truncation {
  readonly partition: number;
  /** The records from this offset on are lost, and others have had their offsets since. */
  readonly end: number;
  /** By offset, the id of each lost command, or its place where it has no id. */
  readonly lostIds: ReadonlyMap<number, string>;
  readonly mayHaveBeenRead: boolean;
}

export const LONGEST_OUTAGE_MS = 4_000;
const LOOK_MS = 20;
const MOST_LOOKS = 250;
const MOST_TRUNCATED = 8;
const FAULTS = [
  ...[
    'group coordinator moves',
    'transaction coordinator moves',
    'transaction coordinator moves',
    'leader moves',
    'leader moves',
  ],
  ...['retention of commands', 'retention of events', 'offsets vanish', 'truncation', 'truncation'],
] as const;

/**
 * What befalls the log itself: coordinators and leaders move, retention deletes, offsets expire.
 * Once the offsets are gone, only the events prove what was published. So no history loses both.
 */
export class ClusterFaults {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #topics: Topics;
  readonly #listener: Listener;
  /** Places of commands that were deleted before the group had passed them. */
  readonly #lost = new Set<string>();
  readonly #losesEvents: boolean;
  #hasForgotten = false;
  #truncation: Truncation | null = null;

  constructor(world: World, log: SimulatedLog, topics: Topics, listener: Listener) {
    this.#world = world;
    this.#log = log;
    this.#topics = topics;
    this.#listener = listener;
    this.#losesEvents = world.chance(0.5);
  }

  get hasForgotten(): boolean {
    return this.#hasForgotten;
  }

  /** The truncation; null: there was none, or nobody had read the lost records. */
  get truncation(): Truncation | null {
    return this.#truncation?.mayHaveBeenRead ? this.#truncation : null;
  }

  befall(fault = this.#world.pick(FAULTS)): void {
    if (fault === 'group coordinator moves') this.#move(fault, 'group');
    if (fault === 'leader moves') this.#moveLeader(fault);
    if (fault === 'transaction coordinator moves' && this.#log.transactions.ids.length > 0)
      this.#move(fault, `transactions of ${this.#world.pick(this.#log.transactions.ids)}`);
    if (fault === 'retention of commands') this.#deleteCommands();
    if (fault === 'retention of events' && this.#losesEvents) this.#deleteEvents();
    if (fault === 'truncation' && this.#listener.mayLoseCommands) this.#truncate();
    if (fault === 'offsets vanish' && !this.#losesEvents) this.#forgetOffsets();
  }

  /** Truncates once only, and notes the lost records, which tell what must not happen. */
  #truncate(): void {
    const { commands } = this.#topics;
    const partition = this.#anyPartition();
    const log = this.#log.partition(commands, partition);
    const from = this.#world.chance(0.7) ? log.readBelow : log.length;
    const end = from - this.#world.between(1, MOST_TRUNCATED);
    if (this.#truncation || end <= log.start) return;
    const lost = log.read(end).map(asHistoryRecord);
    const mayHaveBeenRead = log.truncate(end);
    this.#listener.happens(mayHaveBeenRead ? 'truncation of what was read' : 'truncation');
    this.#truncation = {
      partition,
      end,
      lostIds: new Map(lost.map((record) => [record.offset, idOrPlaceOf(record)])),
      mayHaveBeenRead,
    };
  }

  /**
   * Leaves out the commands that were deleted before anybody handled them. A handled command has
   * left an answer or, where there was nothing to say, its identity in the database.
   */
  withoutLost({ commands, ...rest }: History): History {
    const { events, deadLetters, tables } = rest;
    const answered = new Set(
      [...events, ...deadLetters].map(
        ({ headers }) =>
          headers.ce_id?.replace(/\.\d+$/, '') ??
          `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}`,
      ),
    );
    const leftNoAnswer = ({ partition, offset }: HistoryRecord) => {
      const place = `${partition}/${offset}`;
      return (
        this.#lost.has(place) &&
        !answered.has(place) &&
        !answered.has(`${this.#topics.commands}/${place}`)
      );
    };
    const handled = new Set([...tables.processedIds].map(identityIn));
    for (const record of commands)
      if (!leftNoAnswer(record)) handled.delete(identityOf(record) ?? '');
    return {
      ...rest,
      commands: commands.filter(
        (record) => !leftNoAnswer(record) || handled.has(identityOf(record) ?? ''),
      ),
    };
  }

  #move(fault: string, office: Office): void {
    this.#listener.happens(fault);
    this.#log.outages.move(office, this.#world.random() * LONGEST_OUTAGE_MS);
  }

  #moveLeader(fault: string): void {
    const partition = this.#anyPartition();
    this.#move(fault, `leader of ${partition}`);
    this.#log.electLeader(partition);
  }

  /** Deletes answered commands, and now and then some that nobody has handled yet. */
  #deleteCommands(): void {
    const { commands } = this.#topics;
    const partition = this.#anyPartition();
    const log = this.#log.partition(commands, partition);
    const answeredBelow = this.#log.offsets.committed.get(partition) ?? 0;
    const isLossy = this.#listener.mayLoseCommands && this.#world.chance(0.2);
    const { start } = log;
    const most = isLossy ? log.stableEnd : answeredBelow;
    // A log that begins behind its truncation hides that it was truncated.
    if (most <= start || partition === this.#truncation?.partition) return;
    this.#listener.happens(isLossy ? 'retention of unanswered commands' : 'retention of commands');
    log.deleteBefore(this.#world.between(start + 1, most));
    for (let offset = answeredBelow; offset < log.start; offset += 1)
      this.#lost.add(`${partition}/${offset}`);
  }

  #deleteEvents(): void {
    const { events } = this.#topics;
    const partition = this.#anyPartition();
    const log = this.#log.partition(events, partition);
    const { start, stableEnd: end } = log;
    if (end <= start) return;
    this.#listener.happens('retention of events');
    log.deleteBefore(this.#world.between(start + 1, end));
  }

  #forgetOffsets(): void {
    if (this.#world.chance(0.5)) this.#forget();
    else {
      this.#listener.leave();
      this.#forgetOnceEmpty(MOST_LOOKS);
    }
  }

  /** Waits until the group has no member, because only then Kafka itself forgets offsets. */
  #forgetOnceEmpty(looks: number): void {
    if (!this.#log.group.hasMembers || looks === 0) this.#forget();
    else this.#world.after(LOOK_MS, () => this.#forgetOnceEmpty(looks - 1));
  }

  #forget(): void {
    // While no answer is published, nobody can prove that none was. Then a lane with answers left
    // behind refuses.
    const isAnyOut = Array.from({ length: this.#log.partitions }).some(
      (_, partition) => this.#log.partition(this.#topics.events, partition).end > 0,
    );
    if (!isAnyOut) return;
    this.#hasForgotten = true;
    this.#listener.happens(
      this.#log.group.hasMembers ? 'offsets vanish among members' : 'offsets vanish',
    );
    this.#listener.forgets(
      Array.from({ length: this.#log.partitions }, (_, partition) => partition),
    );
    this.#log.forgetOffsets();
  }

  #anyPartition(): number {
    return this.#world.between(0, this.#log.partitions - 1);
  }
}

/**
 * Lists the places that were answered after the truncation. A lane that has read lost records must
 * refuse. It must answer neither the records that have their offsets now nor later ones: between
 * them lie records that nobody would ever answer.
 */
export function answeredAfterTruncation(
  { partition, end, lostIds }: Truncation,
  commands: readonly HistoryRecord[],
  events: readonly HistoryRecord[],
): readonly string[] {
  const answers = new Map(events.map(({ headers }) => [headers.ce_id, headers.ce_causationid]));
  return commands
    .filter((record) => record.partition === partition && record.offset >= end)
    .flatMap((record) => {
      const place = placeOf(record);
      const id = idOrPlaceOf(record);
      return answers.get(place) === id && lostIds.get(record.offset) !== id ? [place] : [];
    });
}

/**
 * Says whether a lost command was answered, so that the database stands beyond what is left. A
 * command that was sent again may have the offset of its lost copy. Its answer says nothing.
 */
export function hasAnsweredWhatIsLost(
  { partition, lostIds }: Truncation,
  commands: readonly HistoryRecord[],
  events: readonly HistoryRecord[],
): boolean {
  const left = new Map(
    commands
      .filter((record) => record.partition === partition)
      .map((record) => [record.offset, idOrPlaceOf(record)]),
  );
  return events.some(({ headers }) => {
    const [, lane, offset] = /\/(\d+)\/(\d+)$/.exec(headers.ce_id ?? '') ?? [];
    const id = headers.ce_causationid;
    return (
      Number(lane) === partition &&
      id !== undefined &&
      lostIds.get(Number(offset)) === id &&
      left.get(Number(offset)) !== id
    );
  });
}

const idOrPlaceOf = (record: HistoryRecord) => idOf(record) ?? placeOf(record);

/** Returns the id as the traffic writes it. */
function idOf({ headers, value }: HistoryRecord): string | undefined {
  try {
    return headers.ce_id ?? JSON.parse(String(value)).id;
  } catch {
    return undefined;
  }
}
