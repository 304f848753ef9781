import type { ListedLetter } from '../../dead-letters/dead-letter.ts';
import type { Action, Plan } from '../../dead-letters/plan.ts';
import type { Edit } from '../../dead-letters/redriver.ts';
import { print, printJson, printTable, visible } from '../output.ts';

interface Row {
  readonly letter: ListedLetter;
  readonly action: Action;
}

/** Prints what a plan would do, without doing it. */
export function printPreview({ redrive, discard }: Plan, edit: Edit | null, json: boolean): void {
  const sentEdit = edit && redrive.some(({ id }) => id === edit.letter.id) ? edit : null;
  const rows: readonly Row[] = [
    ...discard.map((letter) => ({ letter, action: 'discard' as const })),
    ...redrive.map((letter) => ({ letter, action: 'redrive' as const })),
  ];
  if (json) printAsJson(rows, sentEdit);
  else if (rows.length === 0) print('No dead letters');
  else printForPeople(rows, sentEdit);
}

function printForPeople(rows: readonly Row[], edit: Edit | null): void {
  printAsTable(rows);
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
  for (const { letter, action } of rows) {
    const replacement = letter.id === edit?.letter.id && {
      replacedBy: edit.replacement.id,
      edit: String(edit.replacement.value),
    };
    const { id, commandId } = letter;
    printJson({ id, result: `would-${action}`, commandId, ...replacement });
  }
}

function printAsTable(rows: readonly Row[]): void {
  printTable(
    ['ID', 'WOULD', 'REASON', 'COMMAND', 'SKUS', 'REDRIVES'],
    rows.map(({ letter: { id, reason, type, commandId, skus, redrives }, action }) => [
      id,
      action,
      reason,
      visible(`${type ?? '?'} ${commandId}`),
      visible(skus.join(', ')) || '-',
      redrives,
    ]),
  );
}
