import { chooseEditTarget, type LetterSource } from './edit-target.ts';
import {
  type Action,
  filter,
  type Plan,
  plan,
  refuseSeveralSources,
  type Selection,
} from './plan.ts';
import type { PlannedLetter } from './read-dead-letter.ts';
import type { Edit } from './redriver.ts';
import { requireLetter } from './waiting-letters.ts';

/** What an operator wants done with letters. */
export interface Wish {
  readonly action: Action;
  readonly selection: Selection;
  /** The command to send instead of the letter's command, as plain JSON. Null: no edit. */
  readonly edit: string | null;
  /** The plan refuses a failed command that was redriven this many times. */
  readonly maxRedrives: number;
}

/** What an operator has chosen, and the plan that follows from it. */
export interface Decision extends Omit<Wish, 'edit'> {
  /** The letters that the operator has chosen, with those off the list. */
  readonly choice: readonly PlannedLetter[];
  /** The letters on the list. */
  readonly open: readonly PlannedLetter[];
  readonly plan: Plan;
  /** Null: every command is sent as it is, or the edit was sent before. */
  readonly edit: Edit | null;
}

/**
 * Decides what becomes of letters. Changes nothing.
 *
 * @param letters every letter, also those off the list
 * @throws {SelectionError} the selection fits no letter, or several commands
 * @throws {EditError} the edit is not a command
 * @throws {NoLetterError} there is no such letter
 * @throws {ResolvedLetterError} the edit comes too late
 */
export async function decide(
  source: LetterSource,
  letters: readonly PlannedLetter[],
  wish: Wish,
): Promise<Decision> {
  const { action, selection, maxRedrives } = wish;
  const open = letters.filter(isOpen);
  const { choice, edit } =
    wish.edit === null
      ? { choice: choose(letters, open, selection), edit: null }
      : await chooseEditTarget(source, letters, selection, wish.edit);
  const decided = plan(action, choice.filter(isOpen), open, maxRedrives, edit?.letter);
  return { action, selection, maxRedrives, choice, open, plan: decided, edit };
}

/** Returns the letters that the operator chose. Ids may also name letters off the list. */
function choose(
  letters: readonly PlannedLetter[],
  open: readonly PlannedLetter[],
  { ids, all: _all, ...filters }: Selection,
): readonly PlannedLetter[] {
  const choice = ids.length > 0 ? lettersAt(letters, ids) : filter(open, filters);
  refuseSeveralSources(choice, filters);
  return choice;
}

function lettersAt(
  letters: readonly PlannedLetter[],
  ids: readonly string[],
): readonly PlannedLetter[] {
  const isNamed = new Set(ids);
  const byId = new Map(letters.filter(({ id }) => isNamed.has(id)).map((each) => [each.id, each]));
  return [...isNamed].map((id) => requireLetter(byId.get(id) ?? null, id));
}

function isOpen({ resolution }: PlannedLetter): boolean {
  return resolution === null;
}
