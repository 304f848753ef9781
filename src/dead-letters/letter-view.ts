import { PLAIN_ATTRIBUTES } from '../messages/cloud-events.ts';
import type { IndexedLetter } from './indexed-letter.ts';
import type { LetterIndex } from './letter-index.ts';
import { type LetterSummary, summariesOf } from './letter-pages.ts';
import { encodedText, shownHeaders, shownText } from './letter-text.ts';
import type { Fate } from './markers.ts';
import { envelopeOf } from './message-envelope.ts';
import { adviceOn, type OperatorAdvice } from './operator-advice.ts';
import { GOOD_OUTLOOK, type Outlook, outlookOf } from './outlook.ts';
import { plan } from './plan.ts';
import type { DeadLetter } from './read-dead-letter.ts';

/** The most letters of a chain that a view names. */
const MAX_CHAIN = 1_000;

/** One whole letter, as an operator sees it. */
export interface LetterView extends LetterSummary, OperatorAdvice {
  /** Why the message failed: one sentence. */
  readonly message: string;
  readonly attempts: number;
  readonly redrives: number;
  readonly skus: readonly string[];
  readonly key: string | null;
  readonly headers: readonly (readonly [name: string, text: string])[];
  /** The value. Null: the letter has none. */
  readonly data: string | null;
  readonly encoding: 'utf-8' | 'base64';
  /** What the message says, as far as the service can read it. An edit begins with this. */
  readonly command: { readonly type: string | null; readonly data: unknown } | null;
  /** What becomes of the letter if it is redriven as it is. */
  readonly expected: Outlook;
  /** The letters that a redrive sends, in their order: this one, and what is parked behind it. */
  readonly chain: readonly string[];
  readonly hasMoreChain: boolean;
  /** What operators have done about the letter. */
  readonly acts: readonly LetterAct[];
}

interface LetterAct {
  readonly act: 'redrive' | 'edit' | 'discard';
  /** Null: the marker does not say. */
  readonly by: string | null;
  /** ISO 8601. */
  readonly at: string;
  /** The id of the command that was sent instead. Absent: no command was. */
  readonly replacedBy?: string;
}

/**
 * Puts together what an operator wants to know of a letter.
 *
 * @param letter the same letter in the index
 * @param whole the letter with its record
 */
export function viewOf(index: LetterIndex, letter: IndexedLetter, whole: DeadLetter): LetterView {
  const { record, message, attempts } = whole;
  const [summary] = summariesOf(index, [letter]) as [LetterSummary];
  const chain = chainOf(index, letter);
  const value = record.value === null ? null : encodedText(record.value);
  return {
    ...summary,
    ...adviceOn(letter.reason),
    message,
    attempts,
    redrives: letter.redrives,
    skus: letter.skus,
    key: shownText(record.key),
    headers: shownHeaders(record.headers),
    data: value?.text ?? null,
    encoding: value?.encoding ?? 'utf-8',
    command: commandIn(whole),
    expected: outlookOf(record, whole) ?? GOOD_OUTLOOK,
    chain: chain.slice(0, MAX_CHAIN),
    hasMoreChain: chain.length > MAX_CHAIN,
    acts: letter.fate === null ? [] : [actOf(letter.fate)],
  };
}

function chainOf(index: LetterIndex, letter: IndexedLetter): readonly string[] {
  if (letter.fate !== null) return [];
  const open = index.letters.filter(({ fate }) => fate === null);
  const { redrive, refused } = plan('redrive', [letter], open, Number.POSITIVE_INFINITY, letter);
  return [...redrive, ...refused.map((each) => each.letter)].map(({ id }) => id);
}

function commandIn({ record }: DeadLetter): LetterView['command'] {
  const envelope = envelopeOf(record);
  if (envelope === null) return null;
  const { type, source, data } = envelope;
  if (source !== null || typeof data !== 'object' || data === null) return { type, data };
  const isData = ([name]: [string, unknown]) =>
    !(PLAIN_ATTRIBUTES as readonly string[]).includes(name);
  return { type, data: Object.fromEntries(Object.entries(data).filter(isData)) };
}

function actOf({ resolution, resolvedBy, resolvedAt, replacedBy }: Fate): LetterAct {
  const isEdit = replacedBy !== undefined;
  const redrive = isEdit ? 'edit' : 'redrive';
  return {
    act: resolution === 'discarded' ? 'discard' : redrive,
    by: resolvedBy,
    at: resolvedAt ?? '',
    ...(isEdit && { replacedBy }),
  };
}
