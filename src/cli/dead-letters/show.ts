import type { DeadLetter, ListedLetter } from '../../dead-letters/dead-letter.ts';
import { filter, type Selection } from '../../dead-letters/plan.ts';
import { readDeadLetter, readWaitingLetters } from '../../dead-letters/waiting-letters.ts';
import { idOf, sourceOf } from '../../domain/identity.ts';
import { headersAsText, recordAsJson } from '../describe-record.ts';
import { print, printJson, Table, textOrHex, visible } from '../output.ts';
import { withBroker } from '../session.ts';

/** Prints the letters on the list that match, page by page. */
export function listDeadLetters(
  filters: Omit<Selection, 'ids' | 'all'>,
  json: boolean,
): Promise<void> {
  return withBroker({ createTopics: false }, async ({ broker, config }) => {
    // Refuse wrong filters before reading anything.
    filter([], filters);
    const table = new Table(['ID', 'REASON', 'FAILED AT', 'ORIGINAL', 'MESSAGE']);
    for await (const page of readWaitingLetters(broker, config.deadLettersTopic)) {
      const letters = filter(page, filters);
      if (json) for (const letter of letters) printJson(asJson(letter));
      else
        table.print(
          letters.map(({ id, reason, failedAt, original, message }) => [
            id,
            reason,
            failedAt,
            original,
            visible(message),
          ]),
        );
    }
    if (!json && table.isEmpty) print('No dead letters');
  });
}

/** Prints one whole letter, on the list or off it. */
export async function showDeadLetter(id: string, json: boolean): Promise<void> {
  const read = () =>
    withBroker({ createTopics: false }, ({ broker, config }) =>
      readDeadLetter(broker, config.deadLettersTopic, id),
    );
  const letter = requireLetter(await read(), id);
  const { record } = letter;
  if (json) return printJson({ ...asJson(letter), record: recordAsJson(record) });
  for (const [name, value] of Object.entries(asJson(letter)))
    print(`${`${name}:`.padEnd(12)} ${visible(String(value ?? 'none'))}`);
  print(`${'key:'.padEnd(12)} ${record.key === null ? 'none' : printable(record.key)}`);
  print('headers:');
  for (const [name, value] of Object.entries(headersAsText(record.headers)))
    print(`  ${visible(`${name}: ${value}`)}`);
  if (record.value === null) print('value: none');
  else print(`value (${record.value.length} bytes):\n${printable(record.value)}`);
}

/** Returns the letter. @throws the letter is null: the topic has none with this id */
export function requireLetter<Letter extends ListedLetter>(
  letter: Letter | null,
  id: string,
): Letter {
  if (letter) return letter;
  throw new Error(
    `There is no dead letter ${id}: "npx allocation dead-letters list" prints the ids on the list`,
  );
}

function asJson({
  record: _record,
  key: _key,
  valueBytes: _bytes,
  identity,
  behind,
  ...rest
}: DeadLetter): object {
  return { ...rest, source: sourceOf(identity), behind: behind.map(idOf) };
}

function printable(bytes: Buffer): string {
  const content = textOrHex(bytes);
  return 'text' in content ? visible(content.text) : `hexadecimal ${content.hex}`;
}
