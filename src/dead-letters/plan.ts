import { type Identity, sourceOf } from '../domain/identity.ts';
import { SelectionError } from './errors.ts';
import { namesOf, type PlannedLetter } from './read-dead-letter.ts';

export type Action = 'redrive' | 'discard';

/** The letters that the operator chooses: by id, all of them, or by filters. */
export interface Selection {
  /** The letters' own places. */
  readonly ids: readonly string[];
  readonly all: boolean;
  readonly reason?: string | undefined;
  readonly type?: string | undefined;
  readonly sku?: string | undefined;
  /** The order that the command names. */
  readonly orderid?: string | undefined;
  /** ISO 8601: letters that failed then or later. */
  readonly since?: string | undefined;
  /** The command's id. */
  readonly id?: string | undefined;
  /** The source of a CloudEvent. */
  readonly source?: string | undefined;
}

/** The usual limit of redrives: a command that fails this often does not fail by chance. */
export const MAX_REDRIVES = 3;

/** What to do with which letters. Each list has the order in which its letters are handled. */
export interface Plan {
  readonly redrive: readonly PlannedLetter[];
  readonly discard: readonly PlannedLetter[];
  readonly refused: readonly { readonly letter: PlannedLetter; readonly why: string }[];
}

/**
 * Returns the letters that match all filters.
 *
 * @throws {SelectionError} `since` is not a time
 */
export function filter<Letter extends PlannedLetter>(
  letters: readonly Letter[],
  { reason, type, sku, orderid, since, id, source }: Omit<Selection, 'ids' | 'all'>,
): Letter[] {
  const sinceMs = Date.parse(since ?? '');
  if (since !== undefined && Number.isNaN(sinceMs))
    throw new SelectionError(`--since ${since} is not a time: write it like 2026-11-25T18:00:00Z`);
  return letters.filter(
    (letter) =>
      (reason === undefined || letter.reason === reason) &&
      (type === undefined || letter.type === type) &&
      (sku === undefined || isAbout(letter, sku)) &&
      (orderid === undefined || letter.orderid === orderid) &&
      (id === undefined || letter.commandId === id) &&
      (source === undefined || sourceOf(letter.identity) === source) &&
      (since === undefined || Date.parse(letter.failedAt) >= sinceMs),
  );
}

/** The most letters, and the most sources, that a refusal names. */
const MAX_EXAMPLES = 5;

/**
 * Refuses a choice by an id that several sources use, because these are different commands.
 *
 * @param letters the letters that match the filters
 * @throws {SelectionError} several sources use the id; the message says how to choose among them
 */
export function refuseSeveralSources(
  letters: readonly PlannedLetter[],
  { id, source }: Pick<Selection, 'id' | 'source'>,
): void {
  if (id === undefined || source !== undefined) return;
  const sources = [...new Set(letters.map(({ identity }) => sourceOf(identity)))];
  if (sources.length < 2) return;
  const names = sources.filter((each) => each !== null).slice(0, MAX_EXAMPLES);
  const sourceless = letters
    .filter(({ identity }) => sourceOf(identity) === null)
    .slice(0, MAX_EXAMPLES);
  const places = sourceless.map((letter) => letter.id).join(', ');
  throw new SelectionError(
    `Letters from ${sources.length} sources have the id ${id}: ` +
      `add --source <source> (${names.join(', ')})` +
      (places === '' ? '' : `, or name the place of a letter without a source (${places})`),
  );
}

/**
 * Tells whether the letter is about the product. Nobody knows the products of an unreadable
 * message, but its key is the product if the sender keys by product.
 */
function isAbout({ skus, position, key }: PlannedLetter, sku: string): boolean {
  return position === null ? String(key) === sku : skus.includes(sku);
}

/**
 * Plans what to do with the letters that the operator chose.
 *
 * A redrive sends a failed command together with the commands that are parked behind it, in their
 * order, whichever of them was chosen. A single command would be parked again. A discard of a
 * failed command redrives the commands behind it.
 *
 * @param choice the letters that the operator chose
 * @param open all letters on the list
 * @param maxRedrives refuse a failed command that was redriven this often: it would fail forever
 * @param edit the letter whose command is replaced by another one
 */
export function plan(
  action: Action,
  choice: readonly PlannedLetter[],
  open: readonly PlannedLetter[],
  maxRedrives: number,
  edit: PlannedLetter | null = null,
): Plan {
  return action === 'discard'
    ? planDiscard(choice, open)
    : planRedrive(choice, open, maxRedrives, edit);
}

function planDiscard(choice: readonly PlannedLetter[], open: readonly PlannedLetter[]): Plan {
  const isChosen = new Set(choice);
  const gone = new Set(choice.flatMap(namesOf));
  const successors = open.filter(
    (letter) => !isChosen.has(letter) && letter.behind.some((id) => gone.has(id)),
  );
  return { redrive: inOrder(successors), discard: choice, refused: [] };
}

function planRedrive(
  choice: readonly PlannedLetter[],
  open: readonly PlannedLetter[],
  maxRedrives: number,
  edit: PlannedLetter | null,
): Plan {
  const isChosen = new Set(choice);
  const heads = new Set(choice.filter(({ position }) => position !== null).flatMap(failuresOf));
  const sequence = open.filter(
    (letter) =>
      isChosen.has(letter) ||
      (letter.position !== null && failuresOf(letter).some((identity) => heads.has(identity))),
  );
  const refused = sequence.flatMap((letter) => {
    const why = reasonToRefuse(letter, maxRedrives, letter.id === edit?.id);
    return why === null ? [] : [{ letter, why }];
  });
  const stuck = new Set(refused.flatMap(({ letter }) => namesOf(letter)));
  const redrive = sequence.filter(
    (letter) => ![letter.identity, ...letter.behind].some((identity) => stuck.has(identity)),
  );
  return { redrive: inOrder(redrive), discard: [], refused };
}

/** Returns the failed commands that the letter's command waits for, or that command itself. */
function failuresOf(letter: PlannedLetter): readonly Identity[] {
  return letter.behind.length > 0 ? letter.behind : namesOf(letter);
}

function reasonToRefuse(
  { id, original, valueBytes, redrives, reason }: PlannedLetter,
  maxRedrives: number,
  isEdited: boolean,
): string | null {
  if (valueBytes === null && !isEdited) {
    return (
      `${id} has no value to send: give it one with --edit, ` +
      `or publish the original message (${original}) again and discard the letter`
    );
  }
  if (redrives >= maxRedrives && reason !== 'parked-behind') {
    return (
      `${id} was redriven ${redrives} times and failed each time: fix the cause, ` +
      `then allow more with --max-redrives ${redrives + 1}, or discard the letter`
    );
  }
  return null;
}

/** Sorts never-parked letters first, by time of failure, and parked letters by position. */
function inOrder(letters: readonly PlannedLetter[]): PlannedLetter[] {
  return letters.toSorted((one, other) => (one.position ?? 0) - (other.position ?? 0));
}
