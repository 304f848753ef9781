import { type DeadLetter, readDeadLetters, replacementIdentity } from '../cli/dead-letter-box.ts';
import { formerIdentity, type Identity, idOf, parkedIdentity } from '../domain/identity.ts';
import { subjectOfSku } from '../domain/subjects.ts';
import { readCommand } from '../messages/incoming.ts';
import { subjectsOf } from '../service-layer/parking.ts';
import type { Broker, Delivery, ParkedCommand } from '../service-layer/unit-of-work.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/**
 * What is parked, as the dead letters say: the failed commands, and those behind them, that nobody has redriven or discarded; also after a
 * redrive that failed again. A redriven command that its lane has not reached yet is parked too: nothing may overtake it.
 */
export async function readParkedCommands(
  broker: Broker,
  { deadLettersTopic, commandsTopic, positions }: Pick<RebuildPlan, 'deadLettersTopic' | 'commandsTopic' | 'positions'>,
  signal: AbortSignal,
): Promise<readonly ParkedCommand[]> {
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

async function asParked(letter: DeadLetter, id: Identity, isRedriven: boolean): Promise<ParkedCommand> {
  const subjects = [...new Set([...(await subjectsNamed(letter)), ...letter.skus.map(subjectOfSku)])];
  return { id, subjects, behind: letter.behind, position: letter.position ?? 0, isRedriven };
}

/** What the command's own words name: the letter knows the products that those belonged to. */
async function subjectsNamed({ record, commandId }: DeadLetter): Promise<readonly string[]> {
  const read = readCommand(record, commandId);
  if (read.kind !== 'command') return [];
  return subjectsOf(read.command, { getByBatchReference: async () => null, getByOrder: async () => [] });
}
