import { pathText, unknownFieldText } from '../messages/known-fields.ts';
import { readCommand } from '../messages/read-command.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { letterChunksOf } from './letter-chunks.ts';
import type { DeadLetter, PlannedLetter } from './read-dead-letter.ts';
import { placeIn, readPage } from './waiting-letters.ts';

/** What a redrive of a letter leads to, as far as its message tells. */
export interface Outlook {
  /** Why the message is no command, so that it fails again. Null: the message is a command. */
  readonly failure: string | null;
  /** Which fields of the command the service ignores: one sentence for each. */
  readonly ignored: readonly string[];
}

/** Nothing speaks against sending the letter again as it is. */
export const GOOD_OUTLOOK: Outlook = { failure: null, ignored: [] };

/**
 * Foresees what becomes of letters that are sent again as they are.
 *
 * @returns the outlook of each letter that would fail again, or of whose command the service would
 * ignore a field, by the letter's id
 * @throws {TroubleError} the log cannot be reached
 */
export async function foresee(
  broker: Pick<Broker, 'read'>,
  topic: string,
  letters: readonly PlannedLetter[],
): Promise<ReadonlyMap<string, Outlook>> {
  const outlooks = new Map<string, Outlook>();
  // The service could read each parked command, so only other letters may be unreadable.
  const suspects = letters.filter(({ position }) => position === null);
  for (const chunk of letterChunksOf(suspects)) {
    for (const letter of await readPage(broker, topic, chunk.map(placeIn))) {
      const outlook = outlookOf(letter.record, letter);
      if (outlook !== null) outlooks.set(letter.id, outlook);
    }
  }
  return outlooks;
}

/** Foresees what becomes of one letter. Null: nothing speaks against sending it again as it is. */
export function outlookOf(
  record: ReceivedRecord,
  { original, valueBytes, message }: Pick<DeadLetter, 'original' | 'valueBytes' | 'message'>,
): Outlook | null {
  const read = readCommand(record, original);
  // A message that was damaged in transport has no value here. Its letter says what was wrong.
  if (read.kind === 'unreadable')
    return { failure: valueBytes === null ? message : read.message, ignored: [] };
  const { command, unknownFields = [] } = read;
  const ignored = unknownFields.map(
    (field) => `${pathText(field.path)} ${unknownFieldText(field, command.type)}`,
  );
  return ignored.length === 0 ? null : { failure: null, ignored };
}
