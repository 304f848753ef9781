import type { Sql } from '../adapters/database/transaction.ts';
import { type DeadLetter, readDeadLetters, replacementIdentity } from '../cli/dead-letter-box.ts';
import type { Command } from '../domain/commands.ts';
import { formerIdentity, type Identity, idOf, parkedIdentity } from '../domain/identity.ts';
import { subjectOfSku, subjectsNamedBy } from '../domain/subjects.ts';
import { readCommand } from '../messages/incoming.ts';
import { Parking } from '../service-layer/parking.ts';
import type { Broker, Delivery, ParkedCommand } from '../service-layer/unit-of-work.ts';
import { ReplayRefusedError } from './errors.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/** A parked command as its letter says. */
interface ParkedByLetter {
  readonly parked: ParkedCommand;
  /** Set where the letter has no room for all that the command is about. */
  readonly lacking: { readonly command: Command; readonly behind: boolean } | null;
}

/** A rebuild refuses nothing that was parked once. */
const NO_LIMITS = { ofProduct: Number.POSITIVE_INFINITY, inAll: Number.POSITIVE_INFINITY };

/**
 * Finds out what letters had no room for, as parking the commands would do now: the products from
 * the rebuilt orders and batches, the failed commands from what is parked before.
 *
 * @param sql reads the rebuilt database
 */
export async function completeParked(sql: Sql, letters: readonly ParkedByLetter[]): Promise<readonly ParkedCommand[]> {
  const commands: ParkedCommand[] = [];
  for (const { parked, lacking } of letters.toSorted((one, other) => one.parked.position - other.parked.position)) {
    if (lacking === null) commands.push(parked);
    else {
      const before = commands.filter(({ position }) => position < parked.position);
      const parking = new Parking({ commands: before, lastPosition: 0, standing: 0 }, NO_LIMITS);
      const subjects = parking.widened([...new Set([...parked.subjects, ...(await subjectsStored(sql, lacking.command))])]);
      commands.push({ ...parked, subjects, behind: lacking.behind ? parking.before(parked.id, subjects) : parked.behind });
    }
  }
  return commands;
}

/** The products that the command means and does not name. */
async function subjectsStored(sql: Sql, command: Command): Promise<readonly string[]> {
  const stored = async (from: string, name: string) =>
    (await sql<{ sku: string }>(`select sku from ${from} = ?`, [name])).map(({ sku }) => subjectOfSku(sku));
  if (command.type === 'ChangeBatchQuantity') return stored('batches where reference', command.reference);
  return command.type === 'DeallocateOrder' && command.sku === null ? stored('order_lines where orderid', command.orderid) : [];
}

/**
 * What is parked, as the dead letters say: the failed commands, and those behind them, that nobody has redriven or discarded; also after a
 * redrive that failed again. A redriven command that its lane has not reached yet is parked too: nothing may overtake it.
 */
export async function readParkedCommands(
  broker: Broker,
  { deadLettersTopic, commandsTopic, positions }: Pick<RebuildPlan, 'deadLettersTopic' | 'commandsTopic' | 'positions'>,
  signal: AbortSignal,
): Promise<readonly ParkedByLetter[]> {
  const letters = newestOfEach(await readDeadLetters(broker, deadLettersTopic));
  const open = letters.filter(({ resolution }) => resolution === null);
  const redriven = new Map(letters.filter(({ resolution }) => resolution === 'redriven').map((letter) => [sentAs(letter), letter]));
  const underWay =
    redriven.size === 0 ? new Set<Identity>() : await identitiesBeyond(broker, { commandsTopic, positions }, redriven, signal);
  return Promise.all([
    ...open.map((letter) => asParked(letter, letter.identity, false)),
    ...[...redriven].filter(([id]) => underWay.has(id)).map(([id, letter]) => asParked(letter, id, true)),
  ]);
}

/** What the redriven command is parked under. */
function sentAs({ replacedBy, identity }: DeadLetter): Identity {
  return replacedBy === undefined ? identity : replacementIdentity(replacedBy);
}

/** The last letter of each command that has a place among the parked ones. */
function newestOfEach(letters: readonly DeadLetter[]): readonly DeadLetter[] {
  const newest = new Map<Identity, DeadLetter>();
  for (const letter of letters) {
    const known = newest.get(letter.identity);
    if (letter.position !== null && (!known || !isNewer(known, letter))) newest.set(letter.identity, letter);
  }
  return [...newest.values()];
}

/** Each redrive counts. Clocks say nothing: the node that failed on the command again may have one that is behind. */
function isNewer(one: DeadLetter, other: DeadLetter): boolean {
  if (one.redrives !== other.redrives) return one.redrives > other.redrives;
  return one.record.partition === other.record.partition && one.record.offset > other.record.offset;
}

/** Those of the commands that the lanes still have before them. */
async function identitiesBeyond(
  broker: Broker,
  { commandsTopic, positions }: Pick<RebuildPlan, 'commandsTopic' | 'positions'>,
  wanted: ReadonlyMap<Identity, unknown>,
  signal: AbortSignal,
): Promise<ReadonlySet<Identity>> {
  const at = new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
  const ranges = (await broker.offsetRanges(commandsTopic)).map(({ partition, beginning, end }) => {
    return { partition, beginning: Math.min(end, Math.max(beginning, at.get(partition) ?? 0)), end };
  });
  const found = new Set<Identity>();
  const take = async ({ records }: Delivery) => {
    for (const record of records) {
      const { topic, partition, offset } = record;
      const read = readCommand(record, `${topic}/${partition}/${offset}`);
      if (read.kind !== 'command') continue;
      for (const identity of [parkedIdentity(read.identity), formerIdentity(idOf(read.identity))])
        if (wanted.has(identity)) found.add(identity);
    }
  };
  await broker.read(commandsTopic, ranges, take, signal);
  return found;
}

/** @throws {ReplayRefusedError} nobody can tell what the command is about */
async function asParked(letter: DeadLetter, id: Identity, isRedriven: boolean): Promise<ParkedByLetter> {
  const { record, commandId, skus, behind, cut = [], position, original } = letter;
  const read = readCommand(record, commandId);
  const command = read.kind === 'command' ? read.command : null;
  if (cut.length > 0 && !command) {
    throw new ReplayRefusedError(
      `The dead letter ${letter.id} has room neither for its command (it was ${original}) nor for the products that this is about: ` +
        'discard it ("npx allocation dead-letters discard"), rebuild, and publish the command again',
    );
  }
  const subjects = [...new Set([...(command ? subjectsNamedBy(command) : []), ...skus.map(subjectOfSku)])];
  const parked = { id, subjects, behind, position: position ?? 0, isRedriven };
  return { parked, lacking: command && cut.length > 0 ? { command, behind: cut.includes('behind') } : null };
}
