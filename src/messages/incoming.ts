import { createHash } from 'node:crypto';
import { z } from 'zod';
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
  header,
  MalformedMessageError,
  NAME,
  readEnvelope,
  TOO_LARGE_RECORD,
  type WireMessage,
} from './cloud-events.ts';
import { FIRST_VERSION, UnfitDataError, upcast, type Versions, versionOf } from './versions.ts';

/** The largest value of a command, in bytes. */
export const MAX_COMMAND_BYTES = 1024 * 1024;
const MAX_LINES = 500;

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

const isMissing = ({ input }: { readonly input?: unknown }) => input === undefined;

const name = z
  .string({ error: (issue) => (isMissing(issue) ? 'is required' : 'must be a string') })
  .regex(NAME, 'must be 1 to 255 characters without control characters');
const whole = z.int({
  error: (issue) => (isMissing(issue) ? 'is required' : 'must be a whole number, at most 2^53 - 1'),
});
const qty = whole.min(1, 'must be at least 1');
const quantity = whole.min(0, 'must not be negative');
const line = z.object({ sku: name, qty }, 'must be an object with sku and qty');

/** The versions of each type of command. */
export const commandVersions: {
  readonly [T in Command['type']]: Versions<z.ZodType<Extract<Command, { type: T }>>>;
} = {
  CreateBatch: {
    current: 1,
    schema: z
      .object({
        reference: name,
        sku: name,
        quantity,
        eta: z.iso.date('must be a date that exists, YYYY-MM-DD, or null').nullable().default(null),
      })
      .transform((data) => ({ type: 'CreateBatch', ...data })),
    upcasters: {},
  },
  AllocateOrder: {
    current: 1,
    schema: z
      .object({
        orderid: name,
        sku: name.optional(),
        qty: qty.optional(),
        lines: z
          .array(line, 'must be an array of lines')
          .min(1, 'must have at least one line')
          .max(MAX_LINES, `must have at most ${MAX_LINES} lines`)
          .optional(),
      })
      .superRefine(eitherOneLineOrSeveral)
      .transform(({ orderid, lines, sku, qty }) => ({
        type: 'AllocateOrder',
        orderid,
        lines: lines ?? [{ sku: sku ?? '', qty: qty ?? 0 }],
      })),
    upcasters: {},
  },
  ChangeBatchQuantity: {
    current: 1,
    schema: z
      .object({ reference: name, quantity })
      .transform((data) => ({ type: 'ChangeBatchQuantity', ...data })),
    upcasters: {},
  },
  DeallocateOrder: {
    current: 1,
    schema: z
      .object({ orderid: name, sku: name.optional() })
      .transform(({ orderid, sku }) => ({ type: 'DeallocateOrder', orderid, sku: sku ?? null })),
    upcasters: {},
  },
};

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
  if (message.value !== null && message.value.length > MAX_COMMAND_BYTES) {
    return unreadable(
      'too-large',
      `The value has ${message.value.length} bytes, but a command has at most ${MAX_COMMAND_BYTES}`,
    );
  }
  try {
    const tooLarge = message.value === null ? header(message, TOO_LARGE_RECORD) : null;
    if (tooLarge !== null) return unreadable('too-large', tooLarge);
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

interface OrderShape {
  readonly sku?: string | undefined;
  readonly qty?: number | undefined;
  readonly lines?: readonly { readonly sku: string }[] | undefined;
}

function eitherOneLineOrSeveral(data: OrderShape, context: z.core.$RefinementCtx): void {
  const complain = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  if (data.lines === undefined) {
    const message = 'is required, unless the order has lines';
    if (data.sku === undefined) complain(['sku'], message);
    if (data.qty === undefined) complain(['qty'], message);
    return;
  }
  if (data.sku !== undefined) complain(['sku'], 'must be absent together with lines');
  if (data.qty !== undefined) complain(['qty'], 'must be absent together with lines');
  const seen = new Set<string>();
  for (const [index, { sku }] of data.lines.entries()) {
    if (seen.has(sku)) complain(['lines', index, 'sku'], 'is in the order twice');
    seen.add(sku);
  }
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
