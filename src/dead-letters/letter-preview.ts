import type { Broker } from '../service-layer/broker.ts';
import type { Decision } from './decision.ts';
import type { LetterIndex } from './letter-index.ts';
import { shownText } from './letter-text.ts';
import { foresee, GOOD_OUTLOOK, type Outlook } from './outlook.ts';
import type { Action } from './plan.ts';
import type { PlannedLetter } from './read-dead-letter.ts';
import { placeIn } from './waiting-letters.ts';

/** The most letters, and the most refusals, that a preview names. Its counts include the others. */
const MAX_NAMED = 100;

/** What a redrive, a discard or an edit would do. */
export interface LetterPreview {
  /** How many letters would be redriven or discarded. */
  readonly count: number;
  /** How many of them would be discarded. The others go to the service again. */
  readonly discardCount: number;
  /** The first of them, in the order in which they would be handled. */
  readonly records: readonly PreviewedLetter[];
  readonly refusalCount: number;
  readonly refusals: readonly { readonly id: string; readonly why: string }[];
  /** How many of the chosen letters were redriven or discarded before. */
  readonly alreadyResolved: number;
  /** How many of the letters to redrive would fail again as they are. */
  readonly failsAgain: number;
  /** How many of them have fields that the service ignores. */
  readonly ignoresFields: number;
  /** The command that an edit sends. Null: no edit. */
  readonly replacement: { readonly id: string; readonly data: string } | null;
}

interface PreviewedLetter {
  readonly id: string;
  readonly act: Action;
  readonly place: string;
  readonly key: string | null;
  readonly type: string | null;
  readonly commandId: string;
  readonly expected: Outlook;
}

/**
 * Says what a decision would do, without doing it.
 * @throws {TroubleError} the log cannot be reached
 */
export async function previewOf(
  broker: Pick<Broker, 'read'>,
  topic: string,
  index: LetterIndex,
  { plan: { redrive, discard, refused }, choice, edit }: Decision,
): Promise<LetterPreview> {
  const unedited = redrive.filter(({ id }) => id !== edit?.letter.id);
  const outlooks = await foresee(broker, topic, unedited.slice(0, MAX_NAMED));
  const words = unedited.map((letter) => {
    const { partition, offset } = placeIn(letter);
    return index.at(partition, offset)?.outlook;
  });
  const show = (act: Action) => (letter: PlannedLetter) => {
    const { id, original: place, type, commandId } = letter;
    const expected = (act === 'redrive' && outlooks.get(id)) || GOOD_OUTLOOK;
    return { id, act, place, key: shownText(letter.key), type, commandId, expected };
  };
  const records = [
    ...discard.slice(0, MAX_NAMED).map(show('discard')),
    ...redrive.slice(0, MAX_NAMED).map(show('redrive')),
  ];
  return {
    count: redrive.length + discard.length,
    discardCount: discard.length,
    records: records.slice(0, MAX_NAMED),
    refusalCount: refused.length,
    refusals: refused.slice(0, MAX_NAMED).map(({ letter, why }) => ({ id: letter.id, why })),
    alreadyResolved: choice.filter(({ resolution }) => resolution !== null).length,
    failsAgain: words.filter((word) => word === 'fails-again').length,
    ignoresFields: words.filter((word) => word === 'ignores-fields').length,
    replacement: edit && {
      id: edit.replacement.id,
      data: String(edit.replacement.value),
    },
  };
}
