import { createHash } from 'node:crypto';
import { z } from 'zod';
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

/** The largest command, in bytes of its value. */
export const MAX_COMMAND_BYTES = 1024 * 1024;
const MAX_LINES = 500;

/** A message that is a command. */
export interface IncomingCommand {
  readonly kind: 'command';
  /** What the sender knows it by; without an id of its own its place. */
  readonly id: string;
  /** The same identity again is the same command. */
  readonly identity: Identity;
  readonly correlationId: string;
  readonly traceparent: string | null;
  readonly command: Command;
}

/** A message that is none. */
export interface UnreadableMessage {
  readonly kind: 'unreadable';
  readonly reason: 'malformed' | 'unknown-type' | 'invalid-data' | 'too-large';
  /** One sentence for a person. */
  readonly message: string;
  /** Each field that is wrong, for those who sent it. */
  readonly fields: readonly { readonly field: string; readonly message: string }[];
}

const name = z
  .string('must be a string')
  .regex(NAME, 'must be 1 to 255 characters without control characters');
const whole = z.int('must be a whole number below 2^53');
const qty = whole.min(1, 'must be at least 1');
const quantity = whole.min(0, 'must not be negative');
const line = z.object({ sku: name, qty }, 'must be an object with sku and qty');

/** Every command type, with the versions of its data. */
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
          .min(1, 'must have a line')
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
 * Reads a message as a command. Never throws: what cannot be read says why.
 * @param place where the message lies: the command's id when the message brings none
 */
export function readCommand(
  message: WireMessage,
  place: string,
): IncomingCommand | UnreadableMessage {
  if (message.value !== null && message.value.length > MAX_COMMAND_BYTES) {
    return unreadable(
      'too-large',
      `The value has ${message.value.length} bytes; a command has at most ${MAX_COMMAND_BYTES}`,
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
    throw new MalformedMessageError(`source ${source} is the service's own: use another one`);
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

/** A sender may describe its data by a schema of its own: that says nothing of the version here. */
function newest(
  type: string,
  { dataschema, data }: Envelope,
  versions: Versions<unknown>,
): unknown {
  const version = dataschema === null ? null : versionOf(type, dataschema, versions.current);
  return upcast(type, data, version ?? FIRST_VERSION, versions);
}

/**
 * The partition of the commands topic for whatever the HTTP API and the command line accept. One
 * partition keeps the order of acceptance between any two of these commands, whatever their keys
 * are, whichever instance accepts them, and also when partitions are added.
 */
export const FRONT_DOOR_PARTITION = 0;

/** The record key that scales best for a command's data: what orders all commands about one product, as far as the command names it. */
export function commandKey(command: Command): string {
  switch (command.type) {
    case 'CreateBatch':
      return command.sku;
    case 'AllocateOrder':
      return command.lines.length === 1 && command.lines[0]
        ? command.lines[0].sku
        : command.orderid;
    case 'ChangeBatchQuantity':
      return command.reference;
    case 'DeallocateOrder':
      return command.sku ?? command.orderid;
  }
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
    if (data.sku === undefined) complain(['sku'], 'is missing: an order has sku and qty, or lines');
    if (data.qty === undefined) complain(['qty'], 'is missing: an order has sku and qty, or lines');
    return;
  }
  if (data.sku !== undefined) complain(['sku'], 'must not be there together with lines');
  if (data.qty !== undefined) complain(['qty'], 'must not be there together with lines');
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
    ? `The message names no type (one of ${known})`
    : `"${type.slice(0, 80)}" is no command (${known} are)`;
}

function unreadable(
  reason: UnreadableMessage['reason'],
  message: string,
  fields: UnreadableMessage['fields'] = [],
): UnreadableMessage {
  return { kind: 'unreadable', reason, message, fields };
}
