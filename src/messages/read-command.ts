import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Command } from '../domain/commands.ts';
import {
  hasDigest,
  type Identity,
  identityOf,
  isRedrivenPlace,
  isRedriveSource,
  redrivenIdentity,
} from '../domain/identity.ts';
import {
  type Envelope,
  MalformedMessageError,
  PLAIN_ATTRIBUTES,
  readEnvelope,
  type WireMessage,
} from './cloud-events.ts';
import { commandVersions } from './command-schemas.ts';
import {
  type KnownFields,
  knownFieldsOf,
  type UnknownField,
  unknownFieldsIn,
} from './known-fields.ts';
import { invalidData, type UnreadableMessage, unknownType, unreadable } from './unreadable.ts';
import { FIRST_VERSION, UnfitDataError, upcast, type Versions, versionOf } from './versions.ts';

/** The largest value of a command, in bytes. */
export const MAX_COMMAND_BYTES = 1024 * 1024;

/** A message that could be read as a command. */
export interface IncomingCommand {
  readonly kind: 'command';
  /** The id of the message. A message without an id has its place instead. */
  readonly id: string;
  /** Two messages with the same identity are the same command. */
  readonly identity: Identity;
  readonly correlationId: string;
  readonly traceparent: string | null;
  /** The `tracestate` of the events. Absent: no event has one, as always with tracing off. */
  readonly tracestate?: string;
  readonly command: Command;
  /** The fields of the data that the service ignores. Absent: there are none. */
  readonly unknownFields?: readonly UnknownField[];
}

/**
 * What becomes of a command that has fields which the service does not know. `lenient`: the service
 * ignores the fields, as in every message that lies in a topic. `strict`: the message is refused.
 */
type Strictness = 'lenient' | 'strict';

/** How to read the commands of one type. */
interface CommandFormat {
  readonly versions: Versions<z.ZodType<Command>>;
  readonly fields: KnownFields;
  /** The fields of a plain message, which has its own attributes beside its data. */
  readonly plainFields: KnownFields;
}

const formats = new Map<string, CommandFormat>(
  Object.entries<Versions<z.ZodType<Command>>>(commandVersions).map(([type, versions]) => {
    const fields = knownFieldsOf(versions.schema) ?? new Map<string, null>();
    const attributes = PLAIN_ATTRIBUTES.map((name) => [name, null] as const);
    return [type, { versions, fields, plainFields: new Map([...fields, ...attributes]) }];
  }),
);

/**
 * Reads a message as a command. Never throws: an unreadable message says why.
 *
 * @param place of the message, `topic/partition/offset`; the id of a command without an id
 */
export function readCommand(
  message: WireMessage,
  place: string,
  strictness: Strictness = 'lenient',
): IncomingCommand | UnreadableMessage {
  if (message.damage) return unreadable(message.damage.reason, message.damage.message);
  if (message.value !== null && message.value.length > MAX_COMMAND_BYTES) {
    return unreadable(
      'too-large',
      `The value has ${message.value.length} bytes, but a command has at most ${MAX_COMMAND_BYTES}`,
    );
  }
  try {
    const envelope = readEnvelope(message);
    const type = envelope.type ?? '';
    const format = formats.get(type);
    if (!format) return unknownType(envelope.type, [...formats.keys()]);
    const { versions, fields, plainFields } = format;
    const data = upcastData(type, envelope, versions);
    const parsed = versions.schema.safeParse(data, { reportInput: false });
    const unknown = unknownFieldsIn(data, isPlain(envelope) ? plainFields : fields);
    const refused = strictness === 'strict' ? unknown : [];
    if (!parsed.success || refused.length > 0)
      return invalidData(type, parsed.error?.issues ?? [], refused);
    const id = envelope.id ?? place;
    const command: IncomingCommand = {
      kind: 'command',
      id,
      identity: identityIn(envelope, message, place),
      correlationId: envelope.correlationId ?? id,
      traceparent: envelope.traceparent,
      command: parsed.data,
    };
    return unknown.length === 0 ? command : { ...command, unknownFields: unknown };
  } catch (error) {
    if (error instanceof MalformedMessageError)
      return unreadable('malformed', error.message, error.fields);
    if (error instanceof UnfitDataError)
      return unreadable('invalid-data', error.message, [
        { field: 'dataschema', message: error.message },
      ]);
    throw error;
  }
}

/** Tells whether the value is a plain message. A redrive keeps the value, and only adds headers. */
function isPlain({ source }: Envelope): boolean {
  return source === null || isRedriveSource(source);
}

function identityIn(envelope: Envelope, { value }: WireMessage, place: string): Identity {
  const { source, id, type, dataschema } = envelope;
  if (hasDigest(source)) {
    const message = `${source} belongs to the service; use another source`;
    const fields = [{ field: 'source', message }];
    throw new MalformedMessageError(`source ${message}`, { fields });
  }
  if (id === null || !isRedrivenPlace(envelope)) return identityOf(envelope, place);
  const typeAndVersion = JSON.stringify([type, dataschema]);
  return redrivenIdentity(
    id,
    createHash('sha256')
      .update(typeAndVersion)
      .update(value ?? '')
      .digest('hex'),
  );
}

/** Upcasts the data to the newest version. A sender's own schema counts as the first version. */
function upcastData(
  type: string,
  { dataschema, data }: Envelope,
  versions: Versions<unknown>,
): unknown {
  const version = dataschema === null ? null : versionOf(type, dataschema, versions.current);
  return upcast(type, data, version ?? FIRST_VERSION, versions);
}
