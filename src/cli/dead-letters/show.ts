import { subjectOf } from '../../dead-letters/message-subject.ts';
import { filter, type Selection } from '../../dead-letters/plan.ts';
import type { DeadLetter } from '../../dead-letters/read-dead-letter.ts';
import {
  readDeadLetter,
  readWaitingLetters,
  requireLetter,
} from '../../dead-letters/waiting-letters.ts';
import { idOf, sourceOf } from '../../domain/identity.ts';
import { headersAsText, recordAsJson } from '../describe-record.ts';
import { describeSkus, print, printJson, Table, textOrHex, visible } from '../output.ts';
import { withBroker } from '../session.ts';

const COLUMNS = ['ID', 'REASON', 'COMMAND', 'ORDER', 'SKU', 'FAILED AT', 'ORIGINAL', 'MESSAGE'];

/** Prints the letters on the list that match, page by page. */
export function listDeadLetters(
  filters: Omit<Selection, 'ids' | 'all'>,
  json: boolean,
): Promise<void> {
  return withBroker({ mayCreate: false }, async ({ broker, config }) => {
    // Refuse wrong filters before reading anything.
    filter([], filters);
    const table = new Table(COLUMNS);
    for await (const page of readWaitingLetters(broker, config.deadLettersTopic)) {
      const letters = filter(page, filters);
      if (json) for (const letter of letters) printJson(asJson(letter));
      else table.print(letters.map(rowOf));
    }
    if (!json && table.isEmpty) print('No dead letters');
  });
}

function rowOf({
  id,
  reason,
  type,
  orderid,
  skus,
  failedAt,
  original,
  message,
  record,
}: DeadLetter) {
  const { skus: named } = subjectOf(record);
  const products = describeSkus(skus.length > 0 ? skus : named);
  return [id, reason, type ?? '-', orderid ?? '-', products, failedAt, original, message];
}

/** Prints one whole letter, on the list or off it. */
export async function showDeadLetter(id: string, json: boolean): Promise<void> {
  const read = () =>
    withBroker({ mayCreate: false }, ({ broker, config }) =>
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

function asJson({
  record: _record,
  key: _key,
  valueBytes: _bytes,
  identity,
  behind,
  orderid,
  ...rest
}: DeadLetter): object {
  return { ...rest, orderid, source: sourceOf(identity), behind: behind.map(idOf) };
}

function printable(bytes: Buffer): string {
  const content = textOrHex(bytes);
  return 'text' in content ? visible(content.text) : `hexadecimal ${content.hex}`;
}
