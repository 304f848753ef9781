import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { scopeOf } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';
import {
  hasDigest,
  type Identity,
  identityOf,
  isRedrivenPlace,
  redrivenIdentity,
} from '../domain/identity.ts';
import {
  type Envelope,
  MalformedMessageError,
  readEnvelope,
  type WireMessage,
} from './cloud-events.ts';
import { commandVersions } from './command-schemas.ts';
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
  readonly command: Command;
}

/** A message that is not a command. */
export interface UnreadableMessage {
  readonly kind: 'unreadable';
  readonly reason: 'malformed' | 'unknown-type' | 'invalid-data' | 'too-large';
  /** Says in one sentence, for people, why the message is not a command. */
  readonly message: string;
  /** Lists each wrong field, for the sender. At most 20. */
  readonly fields: readonly { readonly field: string; readonly message: string }[];
}

const versionsByType = new Map<string, Versions<z.ZodType<Command>>>(
  Object.entries(commandVersions),
);

/**
 * Reads a message as a command. Never throws: an unreadable message says why.
 *
 * @param place of the message, `topic/partition/offset`; the id of a command without an id
 */
export function readCommand(
  message: WireMessage,
  place: string,
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
    const versions = versionsByType.get(type);
    if (!versions) return unreadable('unknown-type', unknownType(envelope.type));
    const parsed = versions.schema.safeParse(newest(type, envelope, versions), {
      reportInput: false,
    });
    if (!parsed.success) return invalidData(type, parsed.error);
    const id = envelope.id ?? place;
    const { correlationId, traceparent } = envelope;
    const identity = identityIn(envelope, message, place);
    return {
      kind: 'command',
      id,
      identity,
      correlationId: correlationId ?? id,
      traceparent,
      command: parsed.data,
    };
  } catch (error) {
    if (error instanceof MalformedMessageError) return unreadable('malformed', error.message);
    if (error instanceof UnfitDataError)
      return unreadable('invalid-data', error.message, [
        { field: 'dataschema', message: error.message },
      ]);
    throw error;
  }
}

function identityIn(envelope: Envelope, { value }: WireMessage, place: string): Identity {
  const { source, id, type, dataschema } = envelope;
  if (hasDigest(source))
    throw new MalformedMessageError(`source ${source} belongs to the service; use another source`);
  if (id === null || !isRedrivenPlace(envelope)) return identityOf(envelope, place);
  const said = JSON.stringify([type, dataschema]);
  return redrivenIdentity(
    id,
    createHash('sha256')
      .update(said)
      .update(value ?? '')
      .digest('hex'),
  );
}

/** Upcasts the data. A sender's own schema counts as the first version. */
function newest(
  type: string,
  { dataschema, data }: Envelope,
  versions: Versions<unknown>,
): unknown {
  const version = dataschema === null ? null : versionOf(type, dataschema, versions.current);
  return upcast(type, data, version ?? FIRST_VERSION, versions);
}

/**
 * The partition of the commands topic for all commands from the HTTP API and the command line. One
 * partition keeps the order of acceptance between any two of these commands. That order does not
 * depend on their keys, on the accepting instance, or on added partitions.
 */
export const FRONT_DOOR_PARTITION = 0;

/** Makes the record key of a command. Commands with the same key share a partition. */
export function commandKey(command: Command): string {
  return scopeOf(command).key(command);
}

function invalidData(type: string, error: z.ZodError): UnreadableMessage {
  const fields = error.issues
    .slice(0, 20)
    .map(({ path, message }) =>
      path.length > 0
        ? { field: path.join('.'), message }
        : { field: 'data', message: 'must be a JSON object' },
    );
  const summary = fields.map(({ field, message }) => `${field} ${message}`).join('; ');
  const more =
    error.issues.length > fields.length ? `; and ${error.issues.length - fields.length} more` : '';
  return unreadable('invalid-data', `${type}: ${summary}${more}`, fields);
}

function unknownType(type: string | null): string {
  const known = [...versionsByType.keys()].join(', ');
  return type === null
    ? `The message has no type; use one of: ${known}`
    : `Unknown command "${type.slice(0, 80)}"; use one of: ${known}`;
}

function unreadable(
  reason: UnreadableMessage['reason'],
  message: string,
  fields: UnreadableMessage['fields'] = [],
): UnreadableMessage {
  return { kind: 'unreadable', reason, message, fields };
}
