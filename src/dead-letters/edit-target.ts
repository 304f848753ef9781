import type { Broker } from '../service-layer/broker.ts';
import { NoLetterError, ResolvedLetterError, SelectionError } from './errors.ts';
import { filter, refuseSeveralSources, type Selection } from './plan.ts';
import type { PlannedLetter } from './read-dead-letter.ts';
import { type Replacement, replacementRecord } from './redrive-records.ts';
import type { Edit } from './redriver.ts';
import { placeIn, readPage, requireLetter } from './waiting-letters.ts';

/** Where to read whole letters. */
export interface LetterSource {
  readonly broker: Pick<Broker, 'read'>;
  readonly config: { readonly deadLettersTopic: string };
}

/** The one letter that an edit is for, and the edit. */
interface EditTarget {
  readonly choice: readonly [PlannedLetter];
  /** Null: the letter was redriven with this edit before. */
  readonly edit: Edit | null;
}

/**
 * Refuses an edit unless the operator names exactly one letter, or one command id. With a filter
 * such as `--sku`, or several ids, the edit could replace the command of another order.
 *
 * @throws {SelectionError} the selection is not exactly one id
 */
export function refuseUnclearEdit({ ids, id, source: _, all, ...filters }: Selection): void {
  const hasOtherFilter = all || Object.values(filters).some((value) => value !== undefined);
  const isOneLetter = ids.length === 1 && id === undefined;
  const isOneCommand = ids.length === 0 && id !== undefined;
  if (!hasOtherFilter && (isOneLetter || isOneCommand)) return;
  throw new SelectionError(
    '--edit takes exactly one id: redrive <id> --edit <json>, or redrive --id <id> --edit <json>',
  );
}

/**
 * Finds the letter that an edit is for, and makes the command that is sent instead.
 *
 * @param letters every letter, also those off the list
 * @param json a command as plain JSON
 * @throws {SelectionError} several letters on the list have the id
 * @throws {NoLetterError} there is no such letter
 * @throws {ResolvedLetterError} the letter was discarded before, or redriven in another way
 * @throws {EditError} the JSON is not a command
 */
export async function chooseEditTarget(
  source: LetterSource,
  letters: readonly PlannedLetter[],
  selection: Selection,
  json: string,
): Promise<EditTarget> {
  const candidates = lettersNamed(letters, selection);
  const open = candidates.filter(({ resolution }) => resolution === null);
  if (open.length > 1)
    throw new SelectionError(
      `${open.length} letters have this id: name one by its place ` +
        `(${open.map(({ id }) => id).join(', ')})`,
    );
  const [letter] = open;
  if (letter) return { choice: [letter], edit: await editOf(source, letter, json) };
  for (const resolved of candidates) {
    if (resolved.replacedBy === undefined) continue;
    const { replacement } = await editOf(source, resolved, json);
    if (isSentAs(resolved, replacement)) return { choice: [resolved], edit: null };
  }
  throw tooLate(candidates.at(-1), selection);
}

function lettersNamed(
  letters: readonly PlannedLetter[],
  { ids: [place], all: _, ...filters }: Selection,
): readonly PlannedLetter[] {
  if (place !== undefined)
    return [requireLetter(letters.find(({ id }) => id === place) ?? null, place)];
  const matches = filter(letters, filters);
  // Letters off the list count: a repeat must not edit the command of another source.
  refuseSeveralSources(matches, filters);
  return matches;
}

async function editOf(
  { broker, config }: LetterSource,
  listed: PlannedLetter,
  json: string,
): Promise<Edit> {
  const [read] = await readPage(broker, config.deadLettersTopic, [placeIn(listed)]);
  const letter = requireLetter(read ?? null, listed.id);
  return { letter, replacement: replacementRecord(letter, json) };
}

function isSentAs({ resolution, replacedBy }: PlannedLetter, { id }: Replacement): boolean {
  return resolution === 'redriven' && replacedBy === id;
}

function tooLate(
  letter: PlannedLetter | undefined,
  { id = '' }: Selection,
): NoLetterError | ResolvedLetterError {
  if (!letter)
    return new NoLetterError(
      'No dead letter has this id: "npx allocation dead-letters list" prints the letters',
      id,
    );
  const as = letter.replacedBy === undefined ? '' : ` as ${letter.replacedBy}`;
  return new ResolvedLetterError(
    `${letter.id} was ${letter.resolution}${as} before, so the edited command was not sent: ` +
      'publish it if it is still needed',
  );
}
