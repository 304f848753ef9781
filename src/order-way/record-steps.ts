import { redrivesOf } from '../dead-letters/encode-dead-letter.ts';
import { isMarker } from '../dead-letters/markers.ts';
import { envelopeOf } from '../dead-letters/message-envelope.ts';
import { subjectOf } from '../dead-letters/message-subject.ts';
import { headOf, originalOf } from '../dead-letters/read-dead-letter.ts';
import { placeOf } from '../domain/place.ts';
import { readAnswerPlace } from '../messages/answer-place.ts';
import { readCommand } from '../messages/read-command.ts';
import { structuredEventsOf } from '../messages/structured-events.ts';
import { validTimeMs } from '../messages/valid-time.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { commandInWords, eventInWords, eventOf, type OrderEvent } from './plain-words.ts';
import { EMPTY_FIELDS, type LinkedStep } from './way-step.ts';

/** The most events of one record that are shown. A composite may have thousands about one order. */
const MAX_EVENTS_OF_RECORD = 500;

/** Returns the step of a record of the commands topic, if its message names the order. */
export function stepsOfCommand(record: ReceivedRecord, orderid: string): readonly LinkedStep[] {
  return namesOrder(record, orderid) ? [receivedStep(record)] : [];
}

/** Returns the step of a command, whether it names an order or not. */
export function receivedStep(record: ReceivedRecord): LinkedStep {
  const place = placeOf(record);
  const envelope = envelopeOf(record);
  const read = readCommand(record, place);
  const { sku, batchref, details } =
    read.kind === 'command'
      ? commandInWords(read.command)
      : { sku: null, batchref: null, details: read.message };
  const redrives = redrivesOf(record);
  return {
    ...EMPTY_FIELDS,
    kind: 'received',
    at: timeOf(record),
    place,
    key: keyOf(record),
    type: envelope?.type ?? null,
    commandId: envelope?.id ?? place,
    sku,
    batchref,
    details: redrives > 0 ? `${details} (redrive ${redrives})` : details,
    commandPlace: place,
    redrives,
  };
}

/** Returns the steps of an event record: its events about the order, and the record itself. */
export function stepsOfAnswer(record: ReceivedRecord, orderid: string): readonly LinkedStep[] {
  const source = readAnswerPlace(record);
  if (source === null || !mayName(record.value, orderid)) return [];
  const all = structuredEventsOf(record).map(eventOf);
  const events = all.filter((event) => event.orderid === orderid);
  const [first] = events;
  if (!first) return [];
  const common = {
    ...EMPTY_FIELDS,
    place: placeOf(record),
    key: keyOf(record),
    commandId: first.causationid,
    commandPlace: placeOf(source),
  };
  const isCopy = Object.hasOwn(record.headers, 'ce_replay');
  const published: LinkedStep = {
    ...common,
    kind: 'published',
    at: timeOf(record),
    type: String(record.headers.ce_type ?? '') || null,
    eventId: String(record.headers.ce_id ?? '') || null,
    details: isCopy ? 'a copy, by "replay events"' : publishedInWords(events, all),
  };
  // A copy by `replay events` repeats decisions that another record has.
  if (isCopy) return [published];
  const decided = events.slice(0, MAX_EVENTS_OF_RECORD).map(
    (event): LinkedStep => ({
      ...common,
      kind: 'decided',
      at: event.time ?? published.at,
      type: event.type,
      eventId: event.id,
      sku: event.sku,
      batchref: event.batchref,
      sequence: event.sequence,
      details: eventInWords(event),
    }),
  );
  return [...decided, published];
}

/** Returns the step of a dead letter, if its message names the order. */
export function stepsOfLetter(record: ReceivedRecord, orderid: string): readonly LinkedStep[] {
  return !isMarker(record) && namesOrder(record, orderid) ? [letterStep(record)] : [];
}

/** Returns the step of a dead letter, whether its message names an order or not. */
export function letterStep(record: ReceivedRecord): LinkedStep {
  const { id, reason, message, original, failedAt, type, commandId, redrives, behind, skus } =
    headOf(record);
  const waits = reason === 'parked-behind';
  return {
    ...EMPTY_FIELDS,
    kind: waits ? 'parked' : 'dead-letter',
    at: failedAt,
    place: id,
    key: keyOf(record),
    type,
    commandId,
    sku: skus.length === 1 ? (skus[0] ?? null) : null,
    details: waits ? `waits behind ${behind.length} failed commands` : `${reason}: ${message}`,
    commandPlace: original,
    redrives,
  };
}

/** Tells whether the record is a dead letter that had no room for its message. */
export function isLetterWithoutMessage(record: ReceivedRecord): boolean {
  return record.value === null && !isMarker(record) && originalOf(record) !== '//';
}

function namesOrder(record: ReceivedRecord, orderid: string): boolean {
  return mayName(record.value, orderid) && subjectOf(record).orderid === orderid;
}

/**
 * Tells whether the JSON may contain the name. Most records do not, and need not be parsed. JSON
 * with a backslash may spell the name in another way.
 */
export function mayName(value: Buffer | null, name: string): boolean {
  return value !== null && (value.includes(name) || value.includes('\\'));
}

function publishedInWords(events: readonly OrderEvent[], all: readonly OrderEvent[]): string {
  const shown =
    events.length > MAX_EVENTS_OF_RECORD ? `, of which ${MAX_EVENTS_OF_RECORD} are shown` : '';
  return all.length === 1
    ? 'one event'
    : `${events.length} of ${all.length} events are about this order${shown}`;
}

function keyOf({ key }: ReceivedRecord): string | null {
  return key === null ? null : key.toString();
}

/** Returns a record's timestamp in ISO 8601. */
export function timeOf({ timestampMs }: Pick<ReceivedRecord, 'timestampMs'>): string {
  return new Date(validTimeMs(timestampMs)).toISOString();
}
