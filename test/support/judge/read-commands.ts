import { createHash } from 'node:crypto';
import type { DeletedRecords } from './deleted-records.ts';
import type { Answer, LaneCommand, Letter } from './evidence.ts';
import { type History, type HistoryRecord, placeOf } from './history.ts';
import { type Origin, originOf } from './identity.ts';
import { isName, isValidCommand } from './valid-commands.ts';
import type { Report } from './violations.ts';

const MOST_BYTES = 1024 * 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Returns every record that is a command, with its answer and its letter. Deleted commands are
 * included as far as their dead letters have kept them.
 */
export function readCommands(
  { commands }: History,
  answers: ReadonlyMap<string, Answer>,
  letters: ReadonlyMap<string, Letter>,
  deleted: DeletedRecords,
  report: Report,
): readonly LaneCommand[] {
  return [...deleted.commandsKeptIn(letters), ...commands].flatMap((record) => {
    const place = placeOf(record);
    const [answer, letter] = [answers.get(place) ?? null, letters.get(place) ?? null];
    if (answer && letter) report('answered-and-dead', place);
    const read = readCommand(record, place);
    if (!read) {
      if (!letter && !deleted.mayHaveAnswerTo(record))
        report('unanswered', `${place} is no command, and has no dead letter`);
      return [];
    }
    return [{ ...read, place, partition: record.partition, offset: record.offset, answer, letter }];
  });
}

/** Returns the identity of a command, or null when the record is no command. */
export function identityOf(record: HistoryRecord): string | null {
  return readCommand(record, placeOf(record))?.identity ?? null;
}

/**
 * Reads a command in any of the three message forms.
 * @returns null when the record has none of the forms, or is no command
 */
function readCommand(
  record: HistoryRecord,
  place: string,
): Pick<LaneCommand, 'body' | keyof Origin> | null {
  try {
    if ((record.value?.length ?? 0) > MOST_BYTES) return null;
    const { id, body, event, isPlace = false } = readForm(record, place);
    if (!isName(id) || !isValidCommand(body)) return null;
    const stated =
      event?.source ??
      (record.headers.ce_specversion === undefined ? null : record.headers.ce_source) ??
      null;
    const source = withDigest(stated as string | null, id, record, event);
    return {
      body,
      ...originOf({ id, source, isPlace: id === place && isPlace }, record.headers, event),
    };
  } catch {
    return null;
  }
}

interface Form {
  readonly id: string;
  readonly isPlace?: boolean;
  readonly body: Record<string, unknown>;
  /** The whole CloudEvent, in structured mode. */
  readonly event?: Readonly<Record<string, unknown>>;
}

/** Reads a CloudEvent in binary mode, a CloudEvent in structured mode, or plain JSON. */
function readForm({ value, headers }: HistoryRecord, place: string): Form {
  const json = JSON.parse(utf8.decode(value ?? Buffer.of()));
  if (headers.ce_specversion !== undefined)
    return { id: String(headers.ce_id), body: { ...json, type: headers.ce_type } };
  if (json.specversion !== undefined)
    return { id: json.id, body: { ...json.data, type: json.type }, event: json };
  return { id: json.id ?? place, isPlace: (json.id ?? null) === null, body: json };
}

/**
 * Returns the source, with a digest of the content when the id is a place in the dead letters. A
 * place that is sent again is the same command only with the same content.
 */
function withDigest(
  source: string | null,
  id: string,
  { headers, value }: HistoryRecord,
  event: Form['event'],
): string | null {
  if (source !== '/allocation/dead-letters' || !/^[^/]+\/\d+\/\d+$/.test(id)) return source;
  const words = JSON.stringify([
    event?.type ?? headers.ce_type,
    event?.dataschema ?? headers.ce_dataschema ?? null,
  ]);
  return `${source}#${createHash('sha256')
    .update(words)
    .update(value ?? '')
    .digest('hex')}`;
}
