import { GOOD_OUTLOOK, type Outlook } from '../../dead-letters/outlook.ts';
import type { Action, Plan } from '../../dead-letters/plan.ts';
import type { PlannedLetter } from '../../dead-letters/read-dead-letter.ts';
import type { Edit } from '../../dead-letters/redriver.ts';
import { describeSkus, print, printJson, printTable, visible } from '../output.ts';

interface Row {
  readonly letter: PlannedLetter;
  readonly action: Action | 'refuse';
  readonly outlook: Outlook;
}

/**
 * Prints what a plan would do, without doing it.
 *
 * @param outlooks by the letter's id
 */
export function printPreview(
  { redrive, discard, refused }: Plan,
  edit: Edit | null,
  outlooks: ReadonlyMap<string, Outlook>,
  json: boolean,
): void {
  const sentEdit = edit && redrive.some(({ id }) => id === edit.letter.id) ? edit : null;
  const outlookOf = ({ id }: PlannedLetter) =>
    id === sentEdit?.letter.id ? GOOD_OUTLOOK : (outlooks.get(id) ?? GOOD_OUTLOOK);
  const rows: readonly Row[] = [
    ...discard.map((letter) => ({ letter, action: 'discard' as const, outlook: GOOD_OUTLOOK })),
    ...redrive.map((letter) => ({
      letter,
      action: 'redrive' as const,
      outlook: outlookOf(letter),
    })),
  ];
  if (json) {
    printAsJson(rows, sentEdit);
    return;
  }
  const shown = [
    ...rows,
    ...refused.map(({ letter }) => ({ letter, action: 'refuse' as const, outlook: GOOD_OUTLOOK })),
  ];
  if (shown.length === 0) return;
  printAsTable(shown);
  if (rows.length > 0) printNextStep(rows, sentEdit);
}

function printNextStep(rows: readonly Row[], edit: Edit | null): void {
  const failures = rows.filter(({ outlook }) => outlook.failure !== null);
  if (failures.length > 0) {
    print(`\n${failures.length} of these would fail again, because they cannot be read:`);
    for (const { letter, outlook } of failures)
      print(visible(`  ${letter.id}: ${outlook.failure}`));
    print('Correct each of them with --edit, or discard it');
  }
  const incomplete = rows.filter(({ outlook }) => outlook.ignored.length > 0);
  if (incomplete.length > 0) {
    print(`\nThe service would ignore fields of ${incomplete.length} of these:`);
    for (const { letter, outlook } of incomplete)
      print(visible(`  ${letter.id}: ${outlook.ignored.join('; ')}`));
    print('If a field matters, correct the command with --edit');
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
  for (const { letter, action, outlook } of rows) {
    const replacement = letter.id === edit?.letter.id && {
      replacedBy: edit.replacement.id,
      edit: String(edit.replacement.value),
    };
    const { id, commandId } = letter;
    const failsAgain = outlook.failure !== null && { failsAgain: outlook.failure };
    const ignored = outlook.ignored.length > 0 && { ignored: outlook.ignored };
    const result = `would-${action}`;
    printJson({ id, result, commandId, ...replacement, ...failsAgain, ...ignored });
  }
}

function printAsTable(rows: readonly Row[]): void {
  printTable(
    ['ID', 'WOULD', 'REASON', 'COMMAND', 'SKUS', 'REDRIVES', 'OUTLOOK'],
    rows.map(({ letter: { id, reason, type, commandId, skus, redrives }, action, outlook }) => [
      id,
      action,
      reason,
      `${type ?? '?'} ${commandId}`,
      describeSkus(skus),
      redrives,
      inShort(outlook),
    ]),
  );
}

function inShort({ failure, ignored }: Outlook): string {
  if (failure !== null) return 'fails again';
  return ignored.length > 0 ? 'ignores fields' : '';
}
