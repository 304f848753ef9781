import type { Dialect } from '../adapters/database/connection/database-url.ts';
import { isAnyAnswered } from '../adapters/database/lanes/processed-commands.ts';
import type { Sql } from '../adapters/database/transaction.ts';
import type { Fate } from '../dead-letters/markers.ts';
import { replacementIdentity } from '../dead-letters/redrive-records.ts';
import { scopeOf } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';
import { formerIdentity, type Identity, idOf, parkedIdentity } from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import { subjectOfSku } from '../domain/subjects.ts';
import { readCommand } from '../messages/read-command.ts';
import type { Broker, ReadChunk } from '../service-layer/broker.ts';
import type { ParkedCommand } from '../service-layer/parked-command.ts';
import { Parking } from '../service-layer/parking.ts';
import { ReplayRefusedError } from './errors.ts';
import { nextOffsets, rangesFrom } from './offset-ranges.ts';
import { type ParkedLetter, readNewestLetters } from './parked-letters.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/** A parked command as far as its dead letter tells. */
interface IncompleteParked {
  readonly parked: ParkedCommand;
  /** What the dead letter had no room for: its products, and `behind`. Null: it has everything. */
  readonly lacking: { readonly command: Command; readonly behind: boolean } | null;
  /** The identity of the redriven command, which its lane has not reached. Null: not redriven. */
  readonly sentAs: Identity | null;
}

/** A rebuild refuses no command that was parked before. */
const NO_LIMITS = { ofProduct: Number.POSITIVE_INFINITY, inAll: Number.POSITIVE_INFINITY };

/**
 * Reads from the dead letters which commands are parked: the failed ones, and those behind them,
 * that nobody has redriven or discarded. A redriven command that its lane has not reached stays
 * parked too, because nothing may overtake it.
 * @throws {ReplayRefusedError} a dead letter does not tell what its command is about
 * @throws the signal's reason
 */
export async function readParkedCommands(
  broker: Broker,
  plan: Pick<RebuildPlan, 'deadLettersTopic' | 'commandsTopic' | 'positions'>,
  signal: AbortSignal,
): Promise<readonly IncompleteParked[]> {
  const letters = await readNewestLetters(broker, plan.deadLettersTopic, signal);
  const open = letters.filter(({ resolution }) => resolution === null);
  const redriven = new Map(
    letters
      .filter(({ resolution }) => resolution === 'redriven')
      .map((letter) => [identityOfRedrive(letter), letter]),
  );
  const underWay =
    redriven.size === 0
      ? new Map<Identity, Identity>()
      : await findBeyondPositions(broker, plan, redriven, signal);
  return [
    ...open.map((letter) => parkedCommand(letter, letter.identity, null)),
    ...[...underWay].flatMap(([id, sentAs]) => {
      const letter = redriven.get(id);
      return letter ? [parkedCommand(letter, id, sentAs)] : [];
    }),
  ];
}

/** Returns the identity under which the redriven command is parked. */
function identityOfRedrive({ replacedBy, identity }: ParkedLetter & Fate): Identity {
  return replacedBy === undefined ? identity : replacementIdentity(replacedBy);
}

/**
 * Finds which of the commands lie beyond the positions of their lanes.
 * @returns the identities of the commands in the topic, by the wanted identities
 */
async function findBeyondPositions(
  broker: Broker,
  { commandsTopic, positions }: Pick<RebuildPlan, 'commandsTopic' | 'positions'>,
  wanted: ReadonlyMap<Identity, unknown>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Identity, Identity>> {
  const ranges = rangesFrom(await broker.offsetRanges(commandsTopic), nextOffsets(positions));
  const sentAs = new Map<Identity, Identity>();
  const take = async ({ records }: ReadChunk) => {
    for (const record of records) {
      const read = readCommand(record, placeOf(record));
      if (read.kind !== 'command') continue;
      for (const identity of [parkedIdentity(read.identity), formerIdentity(idOf(read.identity))])
        if (wanted.has(identity)) sentAs.set(identity, read.identity);
    }
  };
  await broker.read(commandsTopic, ranges, take, signal);
  return sentAs;
}

function parkedCommand(
  letter: ParkedLetter,
  id: Identity,
  sentAs: Identity | null,
): IncompleteParked {
  const { original, cut, command, subjects, behind, position } = letter;
  if (cut.length > 0 && !command) {
    throw new ReplayRefusedError(
      `The dead letter ${letter.id} (once the message ${original}) has no room for its command ` +
        'and for what the command is about. Discard this dead letter ' +
        '("npx allocation dead-letters discard"), rebuild, and publish the command again',
    );
  }
  const parked = { id, subjects, behind, position, isRedriven: sentAs !== null };
  return { parked, lacking: command && { command, behind: cut.includes('behind') }, sentAs };
}

/**
 * Completes the parked commands from the rebuilt database, in their order.
 *
 * A redriven command is not parked if the database has answered the command. That happens when the
 * database is ahead of the group. If a dead letter had no room for its lists, this function makes
 * the lists as if the command were parked now. The products come from the rebuilt orders and
 * batches. The failed commands come from the commands that are parked before.
 *
 * @param sql reads the rebuilt database
 */
export async function completeParked(
  sql: Sql,
  dialect: Dialect,
  letters: readonly IncompleteParked[],
): Promise<readonly ParkedCommand[]> {
  const commands: ParkedCommand[] = [];
  for (const { parked, lacking, sentAs } of letters.toSorted(
    (one, other) => one.parked.position - other.parked.position,
  )) {
    if (sentAs !== null && (await isAnyAnswered(sql, dialect, [sentAs]))) continue;
    if (lacking === null) {
      commands.push(parked);
      continue;
    }
    const before = commands.filter(({ position }) => position < parked.position);
    const parking = new Parking({ commands: before, lastPosition: 0, notRedriven: 0 }, NO_LIMITS);
    const subjects = parking.withRelatedProducts([
      ...new Set([...parked.subjects, ...(await storedSubjects(sql, lacking.command))]),
    ]);
    const behind = lacking.behind ? parking.failuresBefore(parked.id, subjects) : parked.behind;
    commands.push({ ...parked, subjects, behind });
  }
  return commands;
}

/** Returns the products that the command is about but does not name, as the database has them. */
async function storedSubjects(sql: Sql, command: Command): Promise<readonly string[]> {
  const readSubjects = async (from: string, name: string) =>
    (await sql<{ sku: string }>(`select sku from ${from} = ?`, [name])).map(({ sku }) =>
      subjectOfSku(sku),
    );
  const scope = scopeOf(command);
  if (!scope.hasUnnamedProducts(command)) return [];
  const [reference, orderid] = [scope.batch(command), scope.order(command)];
  return [
    ...(reference === null ? [] : await readSubjects('batches where reference', reference)),
    ...(orderid === null ? [] : await readSubjects('order_lines where orderid', orderid)),
  ];
}
