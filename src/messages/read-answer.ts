import type { Event } from '../domain/events.ts';
import { formerIdentity, type Identity, identityOf } from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import { type CommandPlace, commandPlaceIn } from './answer-place.ts';
import {
  header,
  MalformedMessageError,
  NAME,
  object,
  quote,
  readJson,
  type WireMessage,
} from './cloud-events.ts';
import { SEQUENCE, SOURCE, TIME } from './event-attributes.ts';
import type { Check } from './event-checks.ts';
import type { EventData } from './event-schemas.ts';
import {
  COMPOSITE,
  compositeVersions,
  eventVersions,
  hasSequence,
  type VersionedType,
} from './event-versions.ts';
import { FIRST_VERSION, UnfitDataError, upcast, type Versions, versionOf } from './versions.ts';

/** One record of the events topic: a command's whole answer, or a part of a split composite. */
export interface PublishedAnswer {
  readonly kind: 'answer';
  readonly source: CommandPlace;
  /** The identity of the command. An answer of a former release has that release's form. */
  readonly identity: Identity;
  /** The time of the events, ISO 8601. */
  readonly time: string;
  readonly events: readonly PublishedEvent[];
}

/** An event with its data in the newest version. */
export type PublishedEvent = { readonly [T in Event['type']]: EventOfType<T> }[Event['type']];

interface EventOfType<T extends Event['type']> {
  readonly id: string;
  readonly type: T;
  /** The product's version after the event; null: the type of event has none. */
  readonly sequence: T extends VersionedType ? number : null;
  readonly data: EventData[T];
}

/** A record of the events topic that this version of the service cannot have written. */
export interface ForeignMessage {
  readonly kind: 'foreign';
  /** Says in one sentence, for people, why the record is foreign. */
  readonly message: string;
  /**
   * Whether the record has this service's source, and a command's place as its id. A newer version
   * may have written the record, or the record is damaged.
   */
  readonly isOurs: boolean;
}

/** Reads a record of the events topic, of any version. Never throws: a foreign record says why. */
export function readAnswer(message: WireMessage): PublishedAnswer | ForeignMessage {
  let isOurs = false;
  try {
    const sender = header(message, 'ce_source');
    if (sender !== SOURCE) return foreign(`Its source is ${quote(sender)}, not ${SOURCE}`, isOurs);
    const id = header(message, 'ce_id');
    const source = commandPlaceIn(id);
    if (!id || !source) return foreign(`Its id ${quote(id)} is not the place of a command`, isOurs);
    isOurs = true;
    const identity = readCausation(message);
    const time = header(message, 'ce_time');
    if (time === null || !TIME.test(time))
      return foreign(`Its time ${quote(time)} is not a UTC time`, isOurs);
    const data = readJson(message);
    const type = header(message, 'ce_type');
    const dataschema = header(message, 'ce_dataschema');
    const events =
      type === COMPOSITE
        ? readComposite(`${placeOf(source)}/`, dataschema, data)
        : [readEvent(id, type, dataschema, header(message, 'ce_sequence'), data)];
    return {
      kind: 'answer',
      source,
      identity,
      time,
      events,
    };
  } catch (error) {
    if (error instanceof MalformedMessageError || error instanceof UnfitDataError)
      return foreign(error.message, isOurs);
    throw error;
  }
}

/** Reads the command's identity. A release before migration-20261126210000 wrote only the id. */
function readCausation(message: WireMessage): Identity {
  const id = header(message, 'ce_causationid');
  const source = header(message, 'ce_causationsource');
  const form = header(message, 'ce_causationform');
  if (id === null || !NAME.test(id))
    throw new UnfitDataError(`Its causationid ${quote(id)} is not the id of a command`);
  if (source !== null && !NAME.test(source))
    throw new UnfitDataError(`Its causationsource ${quote(source)} is not the source of a command`);
  if (source !== null || form === 'id') return identityOf({ source, id }, id);
  if (form === 'place') return identityOf({ source, id: null }, id);
  if (form === null) return formerIdentity(id);
  throw new UnfitDataError(`Its causationform ${quote(form)} is unknown; use one of: id, place`);
}

function readComposite(
  idPrefix: string,
  dataschema: unknown,
  data: unknown,
): readonly PublishedEvent[] {
  const parts = readData(COMPOSITE, dataschema, data, compositeVersions);
  return parts.map((part) => {
    const event = object(part);
    if (event.source !== SOURCE)
      throw new UnfitDataError(
        `An event inside has the source ${quote(event.source)}, not ${SOURCE}`,
      );
    if (typeof event.id !== 'string' || !event.id.startsWith(idPrefix)) {
      throw new UnfitDataError(`An event inside has the id ${quote(event.id)}, not ${idPrefix}…`);
    }
    return readEvent(
      event.id,
      event.type,
      event.dataschema ?? null,
      event.sequence ?? null,
      event.data,
    );
  });
}

function readEvent(
  id: string,
  type: unknown,
  dataschema: unknown,
  sequence: unknown,
  data: unknown,
): PublishedEvent {
  if (!isEventType(type))
    throw new UnfitDataError(`${quote(type)} is not an event that this service knows`);
  const checked = readData<unknown>(type, dataschema, data, eventVersions[type]);
  return {
    id,
    type,
    sequence: hasSequence[type] ? readSequence(type, sequence) : null,
    data: checked,
  } as PublishedEvent;
}

function isEventType(type: unknown): type is Event['type'] {
  return typeof type === 'string' && Object.hasOwn(eventVersions, type);
}

function readSequence(type: Event['type'], sequence: unknown): number {
  if (typeof sequence === 'string' && SEQUENCE.test(sequence)) return Number(sequence);
  throw new UnfitDataError(`${type} has the sequence ${quote(sequence)}, not a number from 1`);
}

/** Upcasts the data to the newest version, and checks the data. */
function readData<D>(
  type: string,
  dataschema: unknown,
  data: unknown,
  versions: Versions<Check<D>>,
): D {
  const version = versionIn(type, dataschema, versions.current);
  const newer = object(upcast(type, data, version, versions));
  try {
    return versions.schema(newer);
  } catch (error) {
    throw new UnfitDataError(`${type}: ${(error as Error).message}`, { cause: error });
  }
}

function versionIn(type: string, dataschema: unknown, current: number): number {
  if (dataschema === null) return FIRST_VERSION;
  const version = typeof dataschema === 'string' ? versionOf(type, dataschema, current) : null;
  if (version === null)
    throw new UnfitDataError(`The dataschema ${quote(dataschema)} is not one of this service's`);
  return version;
}

function foreign(message: string, isOurs: boolean): ForeignMessage {
  return { kind: 'foreign', message, isOurs };
}
