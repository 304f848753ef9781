import type { Dialect } from '../adapters/database/connection/options.ts';
import { isAnyAnswered } from '../adapters/database/lanes/processed-commands.ts';
import type { Sql } from '../adapters/database/transaction.ts';
import {
  type Fate,
  fateOf,
  headOf,
  isMarker,
  MAX_PLACE_LENGTH,
  replacementIdentity,
  resolvedBy,
  UNRESOLVED,
} from '../dead-letters/dead-letter-box.ts';
import type { CutList } from '../dead-letters/dead-letter-headers.ts';
import type { Command } from '../domain/commands.ts';
import { formerIdentity, type Identity, idOf, parkedIdentity } from '../domain/identity.ts';
import { subjectOfSku, subjectsNamedBy } from '../domain/subjects.ts';
import { readCommand } from '../messages/incoming.ts';
import type { Broker, Delivery } from '../service-layer/broker.ts';
import type { ParkedCommand } from '../service-layer/parked-command.ts';
import { Parking } from '../service-layer/parking.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/** A parked command as its letter says. */
interface ParkedByLetter {
  readonly parked: ParkedCommand;
  /** Set where the letter has no room for all that the command is about. */
  readonly lacking: { readonly command: Command; readonly behind: boolean } | null;
  /** The identity of the redriven command that its lane has before it; null: it is not redriven. */
  readonly sentAs: Identity | null;
}

/** A rebuild refuses nothing that was parked once. */
const NO_LIMITS = { ofProduct: Number.POSITIVE_INFINITY, inAll: Number.POSITIVE_INFINITY };

/**
 * What is parked in the rebuilt database. A redriven command that this database has answered, ahead
 * of the group, is not. What letters had no room for is found out as parking the commands would do
 * now: the products from the rebuilt orders and batches, the failed commands from what is parked
 * before.
 *
 * @param sql reads the rebuilt database
 */
export async function completeParked(
  sql: Sql,
  dialect: Dialect,
  letters: readonly ParkedByLetter[],
): Promise<readonly ParkedCommand[]> {
  const commands: ParkedCommand[] = [];
  for (const { parked, lacking, sentAs } of letters.toSorted(
    (one, other) => one.parked.position - other.parked.position,
  )) {
    if (sentAs !== null && (await isAnyAnswered(sql, dialect, [sentAs]))) continue;
    if (lacking === null) commands.push(parked);
    else {
      const before = commands.filter(({ position }) => position < parked.position);
      const parking = new Parking({ commands: before, lastPosition: 0, standing: 0 }, NO_LIMITS);
      const subjects = parking.widened([
        ...new Set([...parked.subjects, ...(await subjectsStored(sql, lacking.command))]),
      ]);
      commands.push({
        ...parked,
        subjects,
        behind: lacking.behind ? parking.before(parked.id, subjects) : parked.behind,
      });
    }
  }
  return commands;
}

/** The products that the command means and does not name. */
async function subjectsStored(sql: Sql, command: Command): Promise<readonly string[]> {
  const stored = async (from: string, name: string) =>
    (await sql<{ sku: string }>(`select sku from ${from} = ?`, [name])).map(({ sku }) =>
      subjectOfSku(sku),
    );
  if (command.type === 'ChangeBatchQuantity')
    return stored('batches where reference', command.reference);
  return command.type === 'DeallocateOrder' && command.sku === null
    ? stored('order_lines where orderid', command.orderid)
    : [];
}

/**
 * What is parked, as the dead letters say: the failed commands, and those behind them, that nobody has redriven or discarded; also after a
 * redrive that failed again. A redriven command that its lane has not reached yet is parked too: nothing may overtake it.
 */
export async function readParkedCommands(
  broker: Broker,
  {
    deadLettersTopic,
    commandsTopic,
    positions,
  }: Pick<RebuildPlan, 'deadLettersTopic' | 'commandsTopic' | 'positions'>,
  signal: AbortSignal,
): Promise<readonly ParkedByLetter[]> {
  const letters = await readNewestOfEach(broker, deadLettersTopic, signal);
  const open = letters.filter(({ resolution }) => resolution === null);
  const redriven = new Map(
    letters
      .filter(({ resolution }) => resolution === 'redriven')
      .map((letter) => [redrivenAs(letter), letter]),
  );
  const underWay =
    redriven.size === 0
      ? new Map<Identity, Identity>()
      : await identitiesBeyond(broker, { commandsTopic, positions }, redriven, signal);
  return [
    ...open.map((letter) => asParked(letter, letter.identity, null)),
    ...[...underWay].flatMap(([id, sentAs]) => {
      const letter = redriven.get(id);
      return letter ? [asParked(letter, id, sentAs)] : [];
    }),
  ];
}

/** What the redriven command is parked under. */
function redrivenAs({ replacedBy, identity }: ParkedLetter & Fate): Identity {
  return replacedBy === undefined ? identity : replacementIdentity(replacedBy);
}

/** What is kept of a letter whose command has a place among the parked ones. */
interface ParkedLetter {
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
  /** The place of the message that it was. */
  readonly original: string;
  readonly identity: Identity;
  readonly subjects: readonly string[];
  readonly behind: readonly Identity[];
  /** What the letter has no room for. If it has room for the command, that is kept then. */
  readonly cut: readonly CutList[];
  readonly command: Command | null;
  readonly position: number;
  readonly redrives: number;
  readonly failedAt: string;
}

/**
 * The last letter of each command that has a place among the parked ones. Holds these, what
 * happened to letters, and one delivery.
 */
async function readNewestOfEach(
  broker: Broker,
  topic: string,
  signal: AbortSignal,
): Promise<readonly (ParkedLetter & Fate)[]> {
  const newest = new Map<Identity, ParkedLetter>();
  const fates = new Map<string, Fate>();
  const take = async ({ records }: Delivery) => {
    for (const record of records) {
      if (isMarker(record)) {
        const id = resolvedBy(record);
        // The first says what happened. A forged one may name anything, of any length.
        if (id.length <= topic.length + MAX_PLACE_LENGTH && !fates.has(id))
          fates.set(id, fateOf(record));
        continue;
      }
      const letter = parkedLetter(record);
      const known = letter && newest.get(letter.identity);
      if (letter && (!known || !isNewer(known, letter))) newest.set(letter.identity, letter);
    }
  };
  await broker.read(topic, await broker.offsetRanges(topic), take, signal);
  return [...newest.values()].map((letter) => ({
    ...letter,
    ...(fates.get(letter.id) ?? UNRESOLVED),
  }));
}

function parkedLetter(record: ReceivedRecord): ParkedLetter | null {
  const {
    id,
    original,
    identity,
    skus,
    behind,
    cut = [],
    position,
    redrives,
    failedAt,
    commandId,
  } = headOf(record);
  if (position === null) return null;
  const read = readCommand(record, commandId);
  const named = read.kind === 'command' ? subjectsNamedBy(read.command) : [];
  const { partition, offset } = record;
  const subjects = [...new Set([...named, ...skus.map(subjectOfSku)])];
  const command = read.kind === 'command' && cut.length > 0 ? read.command : null;
  return {
    id,
    partition,
    offset,
    original,
    identity,
    subjects,
    behind,
    cut,
    command,
    position,
    redrives,
    failedAt,
  };
}

/**
 * Each redrive counts, before any clock: the node that failed on the command again may have one that
 * is behind. Between partitions nothing but the clocks tells letters of one redrive apart.
 */
function isNewer(one: ParkedLetter, other: ParkedLetter): boolean {
  if (one.redrives !== other.redrives) return one.redrives > other.redrives;
  return one.partition === other.partition
    ? one.offset > other.offset
    : one.failedAt > other.failedAt;
}

/** Those of the commands that the lanes still have before them, each with its identity there. */
async function identitiesBeyond(
  broker: Broker,
  { commandsTopic, positions }: Pick<RebuildPlan, 'commandsTopic' | 'positions'>,
  wanted: ReadonlyMap<Identity, unknown>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Identity, Identity>> {
  const at = new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
  const ranges = (await broker.offsetRanges(commandsTopic)).map(({ partition, beginning, end }) => {
    return {
      partition,
      beginning: Math.min(end, Math.max(beginning, at.get(partition) ?? 0)),
      end,
    };
  });
  const found = new Map<Identity, Identity>();
  const take = async ({ records }: Delivery) => {
    for (const record of records) {
      const { topic, partition, offset } = record;
      const read = readCommand(record, `${topic}/${partition}/${offset}`);
      if (read.kind !== 'command') continue;
      for (const identity of [parkedIdentity(read.identity), formerIdentity(idOf(read.identity))])
        if (wanted.has(identity)) found.set(identity, read.identity);
    }
  };
  await broker.read(commandsTopic, ranges, take, signal);
  return found;
}

/** @throws {ReplayRefusedError} nobody can tell what the command is about */
function asParked(letter: ParkedLetter, id: Identity, sentAs: Identity | null): ParkedByLetter {
  const { original, cut, command, subjects, behind, position } = letter;
  if (cut.length > 0 && !command) {
    throw new ReplayRefusedError(
      `The dead letter ${letter.id} has room neither for its command (it was ${original}) nor for the products that this is about: ` +
        'discard it ("npx allocation dead-letters discard"), rebuild, and publish the command again',
    );
  }
  const parked = { id, subjects, behind, position, isRedriven: sentAs !== null };
  return { parked, lacking: command && { command, behind: cut.includes('behind') }, sentAs };
}
