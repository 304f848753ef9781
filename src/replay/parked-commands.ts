import { type DeadLetter, readDeadLetters } from '../cli/dead-letter-box.ts';
import { readCommand } from '../messages/incoming.ts';
import { subjectOfSku, subjectsOf } from '../service-layer/parking.ts';
import type { Broker, ParkedCommand } from '../service-layer/unit-of-work.ts';

/**
 * What is parked, as the dead letters say: the failed commands, and those behind them, that nobody has redriven or discarded. One that was
 * redriven is on its way to its lane again.
 */
export async function readParkedCommands(broker: Broker, deadLettersTopic: string): Promise<readonly ParkedCommand[]> {
  const newest = new Map<string, DeadLetter>();
  for (const letter of await readDeadLetters(broker, deadLettersTopic)) if (letter.position !== null) newest.set(letter.commandId, letter);
  const open = [...newest.values()].filter(({ resolution }) => resolution === null);
  return Promise.all(
    open.map(async (letter) => {
      const subjects = [...new Set([...(await subjectsNamed(letter)), ...letter.skus.map(subjectOfSku)])];
      return { id: letter.commandId, subjects, behind: letter.behind, position: letter.position ?? 0, isRedriven: false };
    }),
  );
}

/** What the command's own words name: the letter knows the products that those belonged to. */
async function subjectsNamed({ record, commandId }: DeadLetter): Promise<readonly string[]> {
  const read = readCommand(record, commandId);
  if (read.kind !== 'command') return [];
  return subjectsOf(read.command, { getByBatchReference: async () => null, getByOrder: async () => [] });
}
