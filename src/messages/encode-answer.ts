import type { Command } from '../domain/commands.ts';
import type { Event } from '../domain/events.ts';
import { type Identity, idOf, isPlace, sourceOf } from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import { CompositeDomainEvent } from '../domain/value-objects.ts';
import { SOURCE } from './event-attributes.ts';
import type { EventData } from './event-schemas.ts';
import { dataschemas } from './event-versions.ts';
import { splitComposite } from './split-composite.ts';

/** A command with its place, and the events that it led to. */
export interface Answer {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly identity: Identity;
  readonly correlationId: string;
  readonly traceparent: string | null;
  /** Absent: none. */
  readonly tracestate?: string | undefined;
  readonly command: Command;
  readonly events: readonly Event[];
  /** The time of the events, ISO 8601. */
  readonly time: string;
}

/** A single event or a composite, as it goes into a record. */
interface EncodedEvent {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Makes each event's data on the wire. A new form needs a new version (docs/decisions/0015). */
const data: {
  readonly [T in Event['type']]: (event: Extract<Event, { type: T }>) => EventData[T];
} = {
  BatchCreated: ({ reference, sku, quantity, eta }) => ({ reference, sku, quantity, eta }),
  Allocated: ({ orderid, sku, qty, batchref }) => ({ orderid, sku, qty, batchref }),
  AlreadyAllocated: ({ orderid, sku, qty, batchref }) => ({ orderid, sku, qty, batchref }),
  Deallocated: ({ orderid, sku, qty, batchref }) => ({ orderid, sku, qty, batchref }),
  OutOfStock: ({ orderid, sku, qty }) => ({ orderid, sku, qty }),
  BatchQuantityChanged: ({ reference, sku, quantity }) => ({ reference, sku, quantity }),
  CommandRejected: ({ type: _, ...rest }) => rest,
};

/**
 * Encodes an answer: no message for no event, one for one event, and composites for several.
 *
 * @param maxMessageBytes the largest record batch that the events topic takes, in bytes. A single
 * event that is larger has a composite to itself
 */
export function encodeAnswer(
  answer: Answer,
  maxMessageBytes: number = Number.POSITIVE_INFINITY,
): readonly EncodedEvent[] {
  const id = placeOf(answer);
  const [first, ...more] = answer.events;
  if (first === undefined) return [];
  if (more.length > 0)
    return encodeComposites(answer, id, new CompositeDomainEvent(answer.events), maxMessageBytes);
  const key = subject(first);
  return [
    {
      key,
      value: JSON.stringify(eventData(first)),
      headers: headersOf(first.type, id, key, versionOf(first), answer),
    },
  ];
}

function encodeComposites(
  answer: Answer,
  baseId: string,
  composite: CompositeDomainEvent<Event>,
  maxMessageBytes: number,
): readonly EncodedEvent[] {
  const structured = [...composite].map((event, index) =>
    JSON.stringify(structuredEvent(event, `${baseId}/${index + 1}`, answer)),
  );
  const key = compositeSubject(answer.command, answer.events);
  const headers = headersOf(composite.type, baseId, key, undefined, answer);
  const otherBytes = Object.entries(headers).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name + value),
    Buffer.byteLength(key),
  );
  return splitComposite(structured, maxMessageBytes - otherBytes).map((chunk, index) => {
    const id = index === 0 ? baseId : `${baseId}.${index + 1}`;
    return { key, value: `{"events":[${chunk.join(',')}]}`, headers: { ...headers, ce_id: id } };
  });
}

/**
 * Makes the headers of the CloudEvents Kafka binding in binary mode. Attributes have the prefix
 * `ce_`. `traceparent` and `tracestate` have no prefix, because they are W3C's own headers.
 */
function headersOf(
  type: keyof typeof dataschemas,
  id: string,
  subject: string,
  version: number | undefined,
  answer: Answer,
): EncodedEvent['headers'] {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: id,
    ce_source: SOURCE,
    ce_type: type,
    ce_dataschema: dataschemas[type],
    ce_subject: subject,
    ce_time: answer.time,
    ce_causationid: idOf(answer.identity),
    ce_correlationid: answer.correlationId,
  };
  const { causationsource, causationform } = causationOf(answer);
  if (causationsource !== undefined) headers.ce_causationsource = causationsource;
  if (causationform !== undefined) headers.ce_causationform = causationform;
  if (version !== undefined) headers.ce_sequence = String(version);
  if (answer.traceparent !== null) headers.traceparent = answer.traceparent;
  if (answer.tracestate !== undefined) headers.tracestate = answer.tracestate;
  return headers;
}

/** Returns the command's identity without its id. A rebuild reads the identity from the events. */
function causationOf({ identity }: Answer): {
  readonly causationsource?: string;
  readonly causationform?: 'id' | 'place';
} {
  const source = sourceOf(identity);
  return source === null
    ? { causationform: isPlace(identity) ? 'place' : 'id' }
    : { causationsource: source };
}

/** Makes an event of a composite, in structured mode. JSON leaves out undefined attributes. */
function structuredEvent(event: Event, id: string, answer: Answer): object {
  return {
    specversion: '1.0',
    id,
    source: SOURCE,
    type: event.type,
    subject: subject(event),
    time: answer.time,
    causationid: idOf(answer.identity),
    ...causationOf(answer),
    correlationid: answer.correlationId,
    sequence: versionOf(event)?.toString(),
    datacontenttype: 'application/json',
    dataschema: dataschemas[event.type],
    traceparent: answer.traceparent ?? undefined,
    data: eventData(event),
  };
}

function versionOf(event: Event): number | undefined {
  return 'version' in event ? event.version : undefined;
}

/** Returns the event's data on the wire. */
export function eventData<E extends Event>(event: E): object {
  return (data[event.type] as (event: E) => object)(event);
}

/** Returns the event's product. A rejection may name only a batch or an order instead. */
function subject(event: Event): string {
  return (
    event.sku ??
    ('reference' in event ? event.reference : undefined) ??
    ('orderid' in event ? event.orderid : undefined) ??
    ''
  );
}

function compositeSubject(command: Command, events: readonly Event[]): string {
  return 'orderid' in command ? command.orderid : subject(events[0] as Event);
}
