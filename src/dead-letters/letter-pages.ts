import { type Identity, isFormer } from '../domain/identity.ts';
import { byAge, type IndexedLetter, type OutlookWord } from './indexed-letter.ts';
import type { LetterIndex } from './letter-index.ts';
import type { LetterKind } from './letter-kinds.ts';
import type { Resolution } from './markers.ts';
import { adviceOn } from './operator-advice.ts';
import { filter, type Selection } from './plan.ts';
import { namesOf } from './read-dead-letter.ts';

/** `open`: the letter is on the list. */
type LetterStatus = 'open' | Resolution;

/** What a page of letters shows, and where it begins. */
export interface LetterChoice
  extends Pick<Selection, 'reason' | 'type' | 'sku' | 'orderid' | 'since'> {
  readonly status: LetterStatus;
  readonly limit: number;
  /** The cursor behind which the page begins. Absent: the first page. */
  readonly after?: string | undefined;
}

/** A letter in a listing. */
export interface LetterSummary {
  readonly id: string;
  /** The place where the message came in, `topic/partition/offset`. */
  readonly place: string;
  /** When the message failed, ISO 8601. */
  readonly at: string;
  readonly reason: string;
  readonly cause: string;
  readonly type: string | null;
  readonly sku: string | null;
  readonly orderid: string | null;
  readonly commandId: string;
  readonly status: LetterStatus;
  /** The letter of a failed command that this command waits for. Null: it waits for none. */
  readonly parkedBehind: string | null;
  readonly outlook: OutlookWord;
}

/** Matches a cursor: milliseconds since 1970, partition and offset. */
export const LETTER_CURSOR = /^-?\d{1,16}\.\d{1,10}\.\d{1,16}$/;

/**
 * Lists letters, the oldest first. Reads the index once or twice, whatever the page.
 *
 * @returns `next`: the cursor of the next page; null: this page is the last
 * @throws {SelectionError} `since` is not a time
 */
export function listLetters(
  index: LetterIndex,
  { status, limit, after, ...filters }: LetterChoice,
): { readonly letters: LetterSummary[]; readonly next: string | null; readonly total: number } {
  const ofStatus = index.letters.filter((letter) => statusOf(letter) === status);
  const matches = filter(ofStatus, filters);
  const start = after === undefined ? 0 : firstBehind(matches, after);
  const page = matches.slice(start, start + limit);
  const last = page.at(-1);
  return {
    letters: summariesOf(index, page),
    next: last && start + limit < matches.length ? cursorOf(last) : null,
    total: matches.length,
  };
}

/** Summarizes letters of the index. */
export function summariesOf(
  index: LetterIndex,
  letters: readonly IndexedLetter[],
): LetterSummary[] {
  const awaited = awaitedLetters(index, letters);
  return letters.map((letter) => {
    const { id, original, failedAt, kind, type, sku, orderid, commandId, outlook } = letter;
    const { reason, cause } = kind;
    const parkedBehind = letter.behind.map((name) => awaited.get(name)).find((each) => each);
    return {
      id,
      place: original,
      at: failedAt,
      reason,
      cause,
      type,
      sku,
      orderid,
      commandId,
      status: statusOf(letter),
      parkedBehind: parkedBehind ?? null,
      outlook,
    };
  });
}

/** Letters on the list that have the same reason, type and cause. */
interface LetterGroup extends LetterKind {
  readonly count: number;
  /** ISO 8601. */
  readonly oldestAt: string;
  /** For an operator, in one sentence. */
  readonly whatToDo: string;
}

/** Groups the letters on the list, in one pass. The group with the oldest letter comes first. */
export function groupLetters(index: LetterIndex): LetterGroup[] {
  const counts = new Map<LetterKind, { count: number; readonly oldest: IndexedLetter }>();
  for (const letter of index.letters) {
    if (letter.fate !== null) continue;
    const group = counts.get(letter.kind);
    if (group) group.count += 1;
    else counts.set(letter.kind, { count: 1, oldest: letter });
  }
  return [...counts].map(([kind, { count, oldest }]) => {
    const { whatToDo } = adviceOn(kind.reason);
    return { ...kind, count, oldestAt: oldest.failedAt, whatToDo };
  });
}

function statusOf({ fate }: IndexedLetter): LetterStatus {
  return fate?.resolution ?? 'open';
}

/** Finds the letter on the list of each failed command that these letters wait for. */
function awaitedLetters(
  index: LetterIndex,
  letters: readonly IndexedLetter[],
): ReadonlyMap<Identity, string> {
  const awaited = new Set(letters.flatMap(({ behind }) => behind));
  const found = new Map<Identity, string>();
  if (awaited.size === 0) return found;
  const hasFormer = [...awaited].some(isFormer);
  for (const letter of index.letters) {
    if (letter.fate !== null) continue;
    const names = hasFormer ? namesOf(letter) : [letter.identity];
    for (const name of names) if (awaited.has(name)) found.set(name, letter.id);
  }
  return found;
}

function cursorOf({ failedAtMs, partition, offset }: IndexedLetter): string {
  return `${failedAtMs}.${partition}.${offset}`;
}

/** Returns the index of the first letter behind the cursor. The letters are sorted by age. */
function firstBehind(letters: readonly IndexedLetter[], cursor: string): number {
  const [failedAtMs = 0, partition = 0, offset = 0] = cursor.split('.').map(Number);
  let [low, high] = [0, letters.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const letter = letters[middle] as IndexedLetter;
    if (byAge(letter, { failedAtMs, partition, offset }) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
