import { sourceOf } from '../domain/identity.ts';
import type { RecordAnswer } from './answer-context.ts';

/** How many bytes an event takes on the wire besides its texts and ids: the attributes' names. */
const EVENT_BYTES = 450;
/** How many bytes a dead letter takes besides its message and its lists. */
const LETTER_BYTES = 1_000;

/**
 * Estimates how many bytes an answer takes on the wire, before it is encoded. Each event repeats
 * the ids of its command. So a small command with long ids may have a large answer.
 *
 * A text counts one byte for each UTF-16 unit. That is exact for ASCII. In other scripts, UTF-8
 * takes up to three bytes a unit. `Buffer.byteLength` would be exact. It takes about 40 ns a text,
 * which is 1 to 2 % of the time of a command.
 */
export function estimateAnswerBytes({ record, incoming, events, parked }: RecordAnswer): number {
  if (events === null || incoming.kind === 'unreadable') {
    const lists = parked ? [...parked.subjects, ...parked.behind] : [];
    return LETTER_BYTES + (record.value?.length ?? 0) + lengthOf(lists);
  }
  const { identity, correlationId, id } = incoming;
  const ids = lengthOf([id, sourceOf(identity) ?? '', correlationId]);
  let bytes = 0;
  for (const event of events) bytes += EVENT_BYTES + ids + 2 * namesLengthOf(event);
  return bytes;
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}

/** Returns the length of all texts in the event. On the wire its subject comes twice. */
function namesLengthOf(event: object): number {
  let length = 0;
  for (const value of Object.values(event)) if (typeof value === 'string') length += value.length;
  return length;
}
