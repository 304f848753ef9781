import type { DeletedRecords } from './deleted-records.ts';
import type { Letter } from './evidence.ts';
import { type History, type HistoryRecord, placeOf } from './history.ts';
import type { Report } from './violations.ts';

const NO_VALUE = Buffer.from('no value');

/** Returns the dead letters by the place of the original command. */
export function readDeadLetters(
  { deadLetters, commands }: History,
  deleted: DeletedRecords,
  report: Report,
): ReadonlyMap<string, Letter> {
  const known = new Map(commands.map((command) => [placeOf(command), command]));
  const resolutions = resolutionsIn(deadLetters);
  const letters = new Map<string, Letter>();
  for (const record of deadLetters) {
    const {
      'dead-letter-reason': reason,
      'dead-letter-topic': topic,
      'dead-letter-partition': partition,
      'dead-letter-offset': offset,
    } = record.headers;
    if (reason === undefined) continue;
    const place = `${topic}/${partition}/${offset}`;
    const original = known.get(place);
    if (!original && !deleted.hasCommandAt(place))
      report('dead-letter-without-command', `${placeOf(record)}: ${place}`);
    if (original && !isCopyOf(original, record))
      report('altered-letter', `${placeOf(record)} is no copy of ${place}`);
    if (letters.has(place)) report('dead-letter-twice', place);
    letters.set(place, { reason, resolution: resolutions.get(placeOf(record)) ?? null, record });
  }
  return letters;
}

/** Returns the resolutions by the place of the dead letter. The first resolution counts. */
function resolutionsIn(records: readonly HistoryRecord[]): ReadonlyMap<string, string> {
  const resolutions = new Map<string, string>();
  for (const { headers } of records) {
    const resolved = headers['dead-letter-resolves'];
    if (headers['dead-letter-reason'] !== undefined || resolved === undefined) continue;
    if (!resolutions.has(resolved))
      resolutions.set(resolved, String(headers['dead-letter-resolution']));
  }
  return resolutions;
}

/**
 * Tells whether the letter contains the key, value and headers of the original. An original that is
 * too large for the dead letters stays in its topic, and the letter says so.
 */
function isCopyOf(original: HistoryRecord, letter: HistoryRecord): boolean {
  if (letter.headers['dead-letter-message']?.includes('too large for the dead letters'))
    return true;
  const isSame =
    original.key === letter.key &&
    Buffer.compare(original.value ?? NO_VALUE, letter.value ?? NO_VALUE) === 0;
  return (
    isSame &&
    Object.entries(original.headers).every(
      ([name, text]) => name.startsWith('dead-letter') || letter.headers[name] === text,
    )
  );
}
