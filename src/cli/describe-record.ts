import { isMarker } from '../dead-letters/markers.ts';
import type { MessageSubject } from '../dead-letters/message-subject.ts';
import { placeOf } from '../domain/place.ts';
import { SOURCE } from '../messages/event-attributes.ts';
import { AUDIT_SOURCE } from '../messages/operator-acts.ts';
import { asStructuredEvent } from '../messages/structured-events.ts';
import type { Headers, ReceivedRecord } from '../service-layer/records.ts';
import { textOrHex, visible } from './output.ts';
import { isAbout, letsPass, type RecordFilter } from './record-filter.ts';

/** Returns an event as a structured CloudEvent, and any other record as `recordAsJson` does. */
export function asJson(record: ReceivedRecord): object {
  return eventOf(record) ?? recordAsJson(record);
}

/** Returns the whole record with its place. Bytes that are not UTF-8 become hexadecimal digits. */
export function recordAsJson({
  topic,
  partition,
  offset,
  timestampMs,
  key,
  headers,
  value,
  damage,
}: ReceivedRecord): object {
  return {
    topic,
    partition,
    offset,
    time: new Date(timestampMs).toISOString(),
    ...bytesAsJson('key', key),
    headers: headersAsText(headers),
    ...bytesAsJson('value', value),
    ...(damage && { damage: damage.message }),
  };
}

/** Returns headers as text. A header that came several times is an array. */
export function headersAsText(headers: Headers): Record<string, string | readonly string[]> {
  const text = (value: Buffer | string) => Object.values(textOrHex(value))[0] as string;
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [
        [name, typeof value === 'string' || Buffer.isBuffer(value) ? text(value) : value.map(text)],
      ];
    }),
  );
}

/** Tells whether the filter chooses the record, or one of the events of a composite. */
export function isChosen(record: ReceivedRecord, filter: RecordFilter): boolean {
  const event = eventOf(record);
  return event ? chosenEvents(event, filter).length > 0 : letsPass(record, filter);
}

/**
 * Returns a record as one readable line. A composite has one line for each of its events that the
 * filter chooses.
 */
export function asText(record: ReceivedRecord, filter: RecordFilter = {}): string {
  const event = eventOf(record);
  const time = new Date(record.timestampMs).toISOString();
  const lines = event ? chosenEvents(event, filter).map(describe) : [otherAsText(record)];
  return lines.map((line) => `${time}  ${visible(line)}`).join('\n');
}

/** Returns a structured CloudEvent as one readable line. */
export function describeEvent(event: object): string {
  return visible(isEvent(event) ? describe(event) : JSON.stringify(event));
}

function describe({ type, data }: EventOnWire): string {
  return `${type.padEnd(20)} ${summary(data)}`;
}

function bytesAsJson(name: 'key' | 'value', bytes: Buffer | null): object {
  if (bytes === null) return { [name]: null };
  const content = textOrHex(bytes);
  return 'text' in content ? { [name]: content.text } : { [`${name}Hex`]: content.hex };
}

interface EventOnWire {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads the record as an event or an audited act. Null: the record is something else. */
function eventOf(record: ReceivedRecord): EventOnWire | null {
  if (![SOURCE, AUDIT_SOURCE].includes(String(record.headers.ce_source))) return null;
  try {
    const event: unknown = asStructuredEvent(record);
    return isEvent(event) && singleEvents(event).every(isEvent) ? event : null;
  } catch {
    return null;
  }
}

function isEvent(value: unknown): value is EventOnWire {
  const { type, data } = Object(value);
  return typeof type === 'string' && typeof data === 'object' && data !== null;
}

function singleEvents(event: EventOnWire): readonly EventOnWire[] {
  return event.type === 'CompositeDomainEvent' && Array.isArray(event.data.events)
    ? event.data.events
    : [event];
}

/** Returns the single events that the filter chooses. The type of a composite chooses all. */
function chosenEvents(
  event: EventOnWire,
  { type, ...about }: RecordFilter,
): readonly EventOnWire[] {
  const filter = type === undefined || type === event.type ? about : { ...about, type };
  return singleEvents(event).filter((single) => isAbout(subjectOfEvent(single), filter));
}

function subjectOfEvent({ type, data: { orderid, sku } }: EventOnWire): MessageSubject {
  return {
    type,
    orderid: typeof orderid === 'string' ? orderid : null,
    skus: typeof sku === 'string' ? [sku] : [],
  };
}

/** Returns the data of an event in one line, as `name=value` for each field. */
export function summary(data: EventOnWire['data']): string {
  return Object.entries(data)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

/** The longest value, in characters, that is printed whole. */
const MAX_CONTENT_LENGTH = 400;

function otherAsText(record: ReceivedRecord): string {
  const { headers, value, damage } = record;
  const place = placeOf(record);
  if (damage) return `${place}  ${damage.message}`;
  if (isMarker({ headers }))
    return `${place}  ${headers['dead-letter-resolution']} ${headers['dead-letter-resolves']}`;
  const reason = headers['dead-letter-reason'];
  if (reason !== undefined) return `${place}  ${reason}: ${headers['dead-letter-message']}`;
  const content = Object.values(textOrHex(value ?? ''))[0] as string;
  const type = headers.ce_type === undefined ? '' : `${headers.ce_type} `;
  const excerpt =
    content.length > MAX_CONTENT_LENGTH ? `${content.slice(0, MAX_CONTENT_LENGTH)}…` : content;
  return `${place}  ${type}${excerpt}`;
}
