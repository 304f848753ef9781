import { isObject } from '../values.ts';
import type {
  AllocationEvent,
  CompositeEvent,
  EventEnvelope,
  KnownEvent,
  UnknownEvent,
} from './event.ts';
import { faultOf, isEventType } from './event-data.ts';
import { type KafkaRecord, textHeaders, textValue } from './kafka-record.ts';

const SOURCE = '/allocation';
const COMPOSITE = 'CompositeDomainEvent';
const DATASCHEMA = /^\/allocation\/schemas\/[^/]+\/([1-9]\d{0,8})$/;
/** The version of the data of every type that this client knows. */
const KNOWN_VERSION = 1;
const SEQUENCE = /^[1-9]\d{0,14}$/;

/** Reads an attribute of a CloudEvent. Null: the event does not have the attribute. */
type Attributes = (name: string) => string | null;

/**
 * Reads a record of the events topic. Never throws: a message that this client does not know comes
 * back with the type `unknown`, its attributes and its data.
 *
 * @param record from kafkajs, @platformatic/kafka or @confluentinc/kafka-javascript
 */
export function parseEvent(record: KafkaRecord): AllocationEvent | CompositeEvent {
  const headers = textHeaders(record.headers);
  const text = textValue(record);
  const data = text === null ? (record.value ?? null) : parseJson(text);
  return asEvent((name) => headers.get(name === 'traceparent' ? name : `ce_${name}`) ?? null, data);
}

/** Reads an event of `GET /events`, or of an answer over HTTP: a structured CloudEvent. */
export function parseStructuredEvent(event: unknown): AllocationEvent | CompositeEvent {
  if (!isObject(event)) return asEvent(() => null, event);
  return asEvent(attributesOf(event), event.data);
}

/** Reads a record, and returns its events one by one: those of a composite, or the one. */
export function eventsOf(record: KafkaRecord): readonly AllocationEvent[] {
  return flatten(parseEvent(record));
}

/** Returns the events of a composite, or the one event. */
export function flatten(event: AllocationEvent | CompositeEvent): readonly AllocationEvent[] {
  return event.type === COMPOSITE ? event.events : [event];
}

function asEvent(attribute: Attributes, data: unknown): AllocationEvent | CompositeEvent {
  const isReplay = attribute('replay') === 'true';
  const type = attribute('type');
  const events = isObject(data) ? data.events : null;
  if (type !== COMPOSITE || attribute('source') !== SOURCE || !Array.isArray(events))
    return singleEvent(attribute, data, isReplay);
  return {
    ...envelopeOf(attribute, data, isReplay),
    type,
    events: events.map((event) =>
      isObject(event)
        ? singleEvent(attributesOf(event), event.data, isReplay)
        : singleEvent(() => null, event, isReplay),
    ),
  };
}

function singleEvent(attribute: Attributes, data: unknown, isReplay: boolean): AllocationEvent {
  const envelope = envelopeOf(attribute, data, isReplay);
  const type = attribute('type');
  const unknown = (why: string): UnknownEvent => ({
    ...envelope,
    type: 'unknown',
    eventType: type,
    why,
    data,
  });
  if (envelope.id === null || type === null)
    return unknown('The message is not a CloudEvent: it has no id, or no type');
  if (envelope.source !== SOURCE)
    return unknown(`The event comes from ${envelope.source}, not from ${SOURCE}`);
  if (!isEventType(type)) return unknown(`The type ${type} is newer than this client`);
  if ((envelope.version ?? 1) > KNOWN_VERSION)
    return unknown(`Version ${envelope.version} of ${type} is newer than this client`);
  const fault = faultOf(type, data, envelope.sequence);
  return fault === null ? ({ ...envelope, type, data } as KnownEvent) : unknown(fault);
}

function envelopeOf(attribute: Attributes, data: unknown, isReplay: boolean): EventEnvelope {
  const sequence = attribute('sequence');
  const counted = sequence !== null && SEQUENCE.test(sequence) ? Number(sequence) : null;
  const subject = attribute('subject');
  const named = isObject(data) && typeof data.sku === 'string' ? data.sku : null;
  return {
    id: attribute('id'),
    source: attribute('source'),
    subject,
    time: attribute('time'),
    version: versionOf(attribute('dataschema')),
    // An event with a sequence is about one product, whatever its data are.
    sku: named ?? (counted === null ? null : subject),
    sequence: counted,
    causationId: attribute('causationid'),
    causationSource: attribute('causationsource'),
    correlationId: attribute('correlationid'),
    traceparent: attribute('traceparent'),
    isReplay,
  };
}

/** Returns the version that the schema names. Events without a schema are of the first version. */
function versionOf(dataschema: string | null): number | null {
  if (dataschema === null) return 1;
  const [, version] = DATASCHEMA.exec(dataschema) ?? [];
  return version === undefined ? null : Number(version);
}

function attributesOf(event: Readonly<Record<string, unknown>>): Attributes {
  return (name) => {
    const value = Object.hasOwn(event, name) ? event[name] : null;
    return typeof value === 'string' ? value : null;
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
