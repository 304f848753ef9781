import { UsageError } from '../cli/errors.ts';
import { type Identity, sourceOf } from '../domain/identity.ts';
import { type ListedLetter, namesOf } from './dead-letter-box.ts';

export type Action = 'redrive' | 'discard';

/** Which letters. */
export interface Selection {
  /** The letters' own places. */
  readonly ids: readonly string[];
  readonly all: boolean;
  readonly reason?: string;
  readonly type?: string;
  readonly sku?: string;
  /** ISO 8601: those that failed then or later. */
  readonly since?: string;
  /** The command's id. */
  readonly id?: string;
  /** The source of a CloudEvent. */
  readonly source?: string;
}

/** What will be done with which letters, each list in the order in which it is done. */
export interface Plan {
  readonly redrive: readonly ListedLetter[];
  readonly discard: readonly ListedLetter[];
  readonly refused: readonly { readonly letter: ListedLetter; readonly why: string }[];
}

/** The letters that all of the filters match. */
export function filter<Letter extends ListedLetter>(
  letters: readonly Letter[],
  { reason, type, sku, since, id, source }: Omit<Selection, 'ids' | 'all'>,
): Letter[] {
  const sinceMs = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
  if (Number.isNaN(sinceMs))
    throw new UsageError(`--since ${since} is no time: write it like 2026-11-25T18:00:00Z`);
  return letters.filter(
    (letter) =>
      (reason === undefined || letter.reason === reason) &&
      (type === undefined || letter.type === type) &&
      (sku === undefined || isAbout(letter, sku)) &&
      (id === undefined || letter.commandId === id) &&
      (source === undefined || sourceOf(letter.identity) === source) &&
      Date.parse(letter.failedAt) >= sinceMs,
  );
}

/** So many letters, or sources, are named. */
const NAMED = 5;

/**
 * Refuses a choice by an id that several sources use: these are different commands.
 *
 * @param chosen what the filters match
 * @throws {UsageError} how to choose among them
 */
export function refuseSeveralSources(
  chosen: readonly ListedLetter[],
  { id, source }: Pick<Selection, 'id' | 'source'>,
): void {
  if (id === undefined || source !== undefined) return;
  const sources = [...new Set(chosen.map(({ identity }) => sourceOf(identity)))];
  if (sources.length < 2) return;
  const named = sources.filter((each) => each !== null).slice(0, NAMED);
  const plain = chosen.filter(({ identity }) => sourceOf(identity) === null).slice(0, NAMED);
  throw new UsageError(
    `Letters of ${sources.length} sources have the id ${id}: add --source <source> (${named.join(', ')})` +
      (plain.length === 0
        ? ''
        : `, or name the place of one without a source (${plain.map((letter) => letter.id).join(', ')})`),
  );
}

/** Of what was never read nobody knows the products: its key is the product's where the sender keys by it. */
function isAbout({ skus, position, key }: ListedLetter, sku: string): boolean {
  return position === null ? String(key) === sku : skus.includes(sku);
}

/**
 * A failed command is sent again together with what is parked behind it, in their order, whichever of them was chosen: one alone
 * would be parked again. A failed command that is discarded sets free what is parked behind it.
 * @param open the letters that still wait
 * @param maxRedrives a failed command that has been sent again so often is refused: it would fail for ever
 * @param corrected the one that another command is sent in the place of
 */
export function plan(
  action: Action,
  chosen: readonly ListedLetter[],
  open: readonly ListedLetter[],
  maxRedrives: number,
  corrected: ListedLetter | null = null,
): Plan {
  const isChosen = new Set(chosen);
  if (action === 'discard') {
    const gone = new Set(chosen.flatMap(namesOf));
    const released = open.filter(
      (letter) => !isChosen.has(letter) && letter.behind.some((id) => gone.has(id)),
    );
    return { redrive: inOrder(released), discard: chosen, refused: [] };
  }
  const failed = new Set(chosen.filter(({ position }) => position !== null).flatMap(failedOnes));
  const sequence = open.filter(
    (letter) =>
      isChosen.has(letter) ||
      (letter.position !== null && failedOnes(letter).some((identity) => failed.has(identity))),
  );
  const refused = sequence.flatMap((letter) => {
    const why = reasonToRefuse(letter, maxRedrives, letter.id === corrected?.id);
    return why === null ? [] : [{ letter, why }];
  });
  const stuck = new Set(refused.flatMap(({ letter }) => namesOf(letter)));
  const sent = sequence.filter(
    (letter) => ![letter.identity, ...letter.behind].some((identity) => stuck.has(identity)),
  );
  return { redrive: inOrder(sent), discard: [], refused };
}

/** The failed commands that it waits for; or it is one itself. */
function failedOnes(letter: ListedLetter): readonly Identity[] {
  return letter.behind.length > 0 ? letter.behind : namesOf(letter);
}

function reasonToRefuse(
  { id, original, valueBytes, redrives, reason }: ListedLetter,
  maxRedrives: number,
  isCorrected: boolean,
): string | null {
  if (valueBytes === null && !isCorrected) {
    return `${id} has no value to send: bring one with --edit, or publish the message itself again (it was ${original}) and discard the letter`;
  }
  if (redrives >= maxRedrives && reason !== 'parked-behind') {
    return `${id} has been redriven ${redrives} times and failed each time: mend the cause, then allow more with --max-redrives ${redrives + 1}, or discard it`;
  }
  return null;
}

/** What stands in nobody's way first, as it failed; the rest as it must follow one another. */
function inOrder(letters: readonly ListedLetter[]): ListedLetter[] {
  return letters.toSorted((one, other) => (one.position ?? 0) - (other.position ?? 0));
}
