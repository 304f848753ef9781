import { type DeadLetter, readDeadLetters } from '../cli/dead-letter-box.ts';
import { readCommand } from '../messages/incoming.ts';
import { subjectOfSku, subjectsOf } from '../service-layer/parking.ts';
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
  const redriven = new Map(
    letters.flatMap((letter) => (letter.resolution === 'redriven' ? [[letter.replacedBy ?? letter.commandId, letter]] : [])),
  );
  const underWay = redriven.size === 0 ? new Set<string>() : await idsBeyond(broker, { commandsTopic, positions }, redriven, signal);
  return Promise.all([
    ...open.map((letter) => asParked(letter, letter.commandId, false)),
    ...[...redriven].filter(([id]) => underWay.has(id)).map(([id, letter]) => asParked(letter, id, true)),
  ]);
}

/** The last letter of each command that has a place among the parked ones. */
function newestOfEach(letters: readonly DeadLetter[]): readonly DeadLetter[] {
  const newest = new Map<string, DeadLetter>();
  for (const letter of letters) {
    const known = newest.get(letter.commandId);
    if (letter.position !== null && (!known || !isNewer(known, letter))) newest.set(letter.commandId, letter);
  }
  return [...newest.values()];
}

/** Each redrive counts. Clocks say nothing: the node that failed on the command again may have one that is behind. */
function isNewer(one: DeadLetter, other: DeadLetter): boolean {
  if (one.redrives !== other.redrives) return one.redrives > other.redrives;
  return one.record.partition === other.record.partition && one.record.offset > other.record.offset;
}

/** Those of the ids that the lanes still have before them. */
async function idsBeyond(
  broker: Broker,
  { commandsTopic, positions }: Pick<RebuildPlan, 'commandsTopic' | 'positions'>,
  ids: ReadonlyMap<string, unknown>,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const at = new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
  const ranges = (await broker.offsetRanges(commandsTopic)).map(({ partition, beginning, end }) => {
    return { partition, beginning: Math.min(end, Math.max(beginning, at.get(partition) ?? 0)), end };
  });
  const found = new Set<string>();
  const take = async ({ records }: Delivery) => {
    for (const record of records) {
      const { topic, partition, offset } = record;
      const read = readCommand(record, `${topic}/${partition}/${offset}`);
      if (read.kind === 'command' && ids.has(read.id)) found.add(read.id);
    }
  };
  await broker.read(commandsTopic, ranges, take, signal);
  return found;
}

async function asParked(letter: DeadLetter, id: string, isRedriven: boolean): Promise<ParkedCommand> {
  const subjects = [...new Set([...(await subjectsNamed(letter)), ...letter.skus.map(subjectOfSku)])];
  return { id, subjects, behind: letter.behind, position: letter.position ?? 0, isRedriven };
}

/** What the command's own words name: the letter knows the products that those belonged to. */
async function subjectsNamed({ record, commandId }: DeadLetter): Promise<readonly string[]> {
  const read = readCommand(record, commandId);
  if (read.kind !== 'command') return [];
  return subjectsOf(read.command, { getByBatchReference: async () => null, getByOrder: async () => [] });
}
