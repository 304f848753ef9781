import { idOf, sourceOf } from '../domain/identity.ts';
import { type DeadLetter, readDeadLetters } from './dead-letter-box.ts';
import { filter, type Selection } from './dead-letter-plan.ts';
import { headersAsText, recordAsJson } from './describe-record.ts';
import { print, printJson, printTable, textOrHex, visible } from './output.ts';
import { withBroker } from './session.ts';

/** Prints the letters that wait, and match. */
export async function listDeadLetters(filters: Omit<Selection, 'ids' | 'all'>, json: boolean): Promise<void> {
  const waiting = filter(await read(), filters).filter(({ resolution }) => resolution === null);
  if (json) {
    for (const letter of waiting) printJson(about(letter));
    return;
  }
  if (waiting.length === 0) return print('No dead letters');
  printTable(
    ['ID', 'REASON', 'FAILED AT', 'ORIGINAL', 'MESSAGE'],
    waiting.map(({ id, reason, failedAt, original, message }) => [id, reason, failedAt, original, visible(message)]),
  );
}

/** Prints one letter whole, also one that is off the list. */
export async function showDeadLetter(id: string, json: boolean): Promise<void> {
  const letter = found(await read(), id);
  const { record } = letter;
  if (json) return printJson({ ...about(letter), record: recordAsJson(record) });
  for (const [name, value] of Object.entries(about(letter))) print(`${`${name}:`.padEnd(12)} ${visible(String(value ?? 'none'))}`);
  print(`${'key:'.padEnd(12)} ${record.key === null ? 'none' : shown(record.key)}`);
  print('headers:');
  for (const [name, value] of Object.entries(headersAsText(record.headers))) print(`  ${visible(`${name}: ${value}`)}`);
  print(`value${record.value === null ? ': none' : ` (${record.value.length} bytes):\n${shown(record.value)}`}`);
}

/** @throws when there is no such letter */
export function found(letters: readonly DeadLetter[], id: string): DeadLetter {
  const letter = letters.find((each) => each.id === id);
  if (letter) return letter;
  throw new Error(`There is no dead letter ${id}: "npx allocation dead-letters list" prints the ids of those that wait`);
}

function about({ record: _, identity, behind, ...rest }: DeadLetter): object {
  return { ...rest, source: sourceOf(identity), behind: behind.map(idOf) };
}

function read(): Promise<readonly DeadLetter[]> {
  return withBroker({ createTopics: false }, ({ broker, config }) => readDeadLetters(broker, config.deadLettersTopic));
}

function shown(bytes: Buffer): string {
  const content = textOrHex(bytes);
  return 'text' in content ? visible(content.text) : `hexadecimal ${content.hex}`;
}
