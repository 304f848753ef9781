import { readCommand } from '../messages/incoming.ts';
import type { Broker } from '../service-layer/broker.ts';
import { chunksOf } from './letter-chunks.ts';
import type { ListedLetter } from './read-dead-letter.ts';
import { placeIn, readPage } from './waiting-letters.ts';

/**
 * Finds the letters whose messages this version still cannot read. A redrive of them fails again.
 *
 * @param letters letters that may be sent again as they are
 * @returns why each of these messages is not a command, by the letter's id
 * @throws {TroubleError} the log cannot be reached
 */
export async function findUnreadable(
  broker: Pick<Broker, 'read'>,
  topic: string,
  letters: readonly ListedLetter[],
): Promise<ReadonlyMap<string, string>> {
  const whyById = new Map<string, string>();
  // A parked command was read before.
  const suspects = letters.filter(({ position }) => position === null);
  for (const chunk of chunksOf(suspects)) {
    for (const letter of await readPage(broker, topic, chunk.map(placeIn))) {
      const read = readCommand(letter.record, letter.original);
      if (read.kind !== 'unreadable') continue;
      // A message that was damaged in transport has no value here. Its letter says what was wrong.
      whyById.set(letter.id, letter.valueBytes === null ? letter.message : read.message);
    }
  }
  return whyById;
}
