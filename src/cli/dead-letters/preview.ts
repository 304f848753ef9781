import type { Action, Plan } from '../../dead-letters/plan.ts';
import type { ListedLetter } from '../../dead-letters/read-dead-letter.ts';
import type { Edit } from '../../dead-letters/redriver.ts';
import { describeSkus, print, printJson, printTable, visible } from '../output.ts';

interface Row {
  readonly letter: ListedLetter;
  readonly action: Action | 'refuse';
  /** Why the letter fails again if it is sent. Null: no such reason is known. */
  readonly failure: string | null;
}

/**
 * Prints what a plan would do, without doing it.
 *
 * @param unreadable why messages fail again, by the id of their letter
 */
export function printPreview(
  { redrive, discard, refused }: Plan,
  edit: Edit | null,
  unreadable: ReadonlyMap<string, string>,
  json: boolean,
): void {
  const sentEdit = edit && redrive.some(({ id }) => id === edit.letter.id) ? edit : null;
  const failureOf = ({ id }: ListedLetter) =>
    id === sentEdit?.letter.id ? null : (unreadable.get(id) ?? null);
  const rows: readonly Row[] = [
    ...discard.map((letter) => ({ letter, action: 'discard' as const, failure: null })),
    ...redrive.map((letter) => ({
      letter,
      action: 'redrive' as const,
      failure: failureOf(letter),
    })),
  ];
  if (json) {
    printAsJson(rows, sentEdit);
    return;
  }
  const shown = [
    ...rows,
    ...refused.map(({ letter }) => ({ letter, action: 'refuse' as const, failure: null })),
  ];
  if (shown.length === 0) return;
  printAsTable(shown);
  if (rows.length > 0) printNextStep(rows, sentEdit);
}

function printNextStep(rows: readonly Row[], edit: Edit | null): void {
  const failures = rows.filter(({ failure }) => failure !== null);
  if (failures.length > 0) {
    print(`\n${failures.length} of these would fail again, because they cannot be read:`);
    for (const { letter, failure } of failures) print(visible(`  ${letter.id}: ${failure}`));
    print('Correct each of them with --edit, or discard it');
  }
  if (edit) {
    const { letter, replacement } = edit;
    print(
      `\n${letter.id} is edited: ${visible(replacement.id)} is sent ` +
        `instead of ${visible(letter.commandId)}:`,
    );
    print(visible(String(replacement.value)));
  }
  print('\nNothing is done yet. To do it, add --execute');
}

function printAsJson(rows: readonly Row[], edit: Edit | null): void {
  for (const { letter, action, failure } of rows) {
    const replacement = letter.id === edit?.letter.id && {
      replacedBy: edit.replacement.id,
      edit: String(edit.replacement.value),
    };
    const { id, commandId } = letter;
    const outlook = failure !== null && { failsAgain: failure };
    printJson({ id, result: `would-${action}`, commandId, ...replacement, ...outlook });
  }
}

function printAsTable(rows: readonly Row[]): void {
  printTable(
    ['ID', 'WOULD', 'REASON', 'COMMAND', 'SKUS', 'REDRIVES', 'OUTLOOK'],
    rows.map(({ letter: { id, reason, type, commandId, skus, redrives }, action, failure }) => [
      id,
      action,
      reason,
      `${type ?? '?'} ${commandId}`,
      describeSkus(skus),
      redrives,
      failure === null ? '' : 'fails again',
    ]),
  );
}
