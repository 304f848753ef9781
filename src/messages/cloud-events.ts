import { AllocationError } from '../domain/errors.ts';
import type { WrongField } from './unreadable.ts';

/** The parts of a record from which the service reads a message. */
export interface WireMessage {
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  /** Why the message came without its bytes and headers. Absent: the message came whole. */
  readonly damage?: { readonly reason: 'malformed' | 'too-large'; readonly message: string };
}

type HeaderValue = Buffer | string | readonly (Buffer | string)[] | undefined;

/** The attributes and data of a message, whatever its form. */
export interface Envelope {
  readonly id: string | null;
  /** Null: the message is plain JSON, which has no source. */
  readonly source: string | null;
  readonly type: string | null;
  readonly correlationId: string | null;
  readonly traceparent: string | null;
  /** The sender's text, which may name the sender's own schema. Null: absent, or not a text. */
  readonly dataschema: string | null;
  readonly data: unknown;
}

/** The bytes are not a message. The error's message says why in one sentence. */
export class MalformedMessageError extends AllocationError {
  override readonly code = 'malformed';
  /** The attributes that are wrong. Empty: the message as a whole is. */
  readonly fields: readonly WrongField[];

  constructor(
    message: string,
    { fields = [], ...options }: ErrorOptions & { readonly fields?: readonly WrongField[] } = {},
  ) {
    super(message, options);
    this.fields = fields;
  }
}

/** The content type of a CloudEvent in structured mode. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';

/** Matches 1 to 255 code points, without control characters and lone surrogates. */
export const NAME = /^[^\p{Cc}\p{Cs}]{1,255}$/u;

/** What a plain message says about itself, besides the fields of its data. */
export const PLAIN_ATTRIBUTES = ['type', 'id', 'dataschema'] as const;

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a message in CloudEvents 1.0 binary mode, in structured mode, or as plain JSON
 * `{"type": …, …data}`. The rules are in the CloudEvents Kafka Protocol Binding 1.0.2, section 3.
 *
 * @throws {MalformedMessageError} the bytes or the attributes break these rules
 */
export function readEnvelope(message: WireMessage): Envelope {
  const body = readJson(message);
  const contentType = header(message, 'content-type');
  if (contentType?.toLowerCase().startsWith('application/cloudevents'))
    return readStructured(message, object(body));
  const isBinary = ['ce_specversion', 'ce_id', 'ce_source', 'ce_type'].some(
    (name) => header(message, name) !== null,
  );
  if (isBinary) return readBinary(message, body);
  const plain = object(body);
  const { id = null, type = null } = plain;
  const correlationId = header(message, 'ce_correlationid');
  return {
    id: id === null ? null : attribute('id', id),
    source: null,
    type: typeof type === 'string' ? type : null,
    correlationId: correlationId === null ? null : attribute('correlationid', correlationId),
    traceparent: traceparent(own(message, 'traceparent')),
    dataschema: textOf(plain.dataschema),
    data: plain,
  };
}

function readStructured(message: WireMessage, event: Record<string, unknown>): Envelope {
  if ('data_base64' in event)
    throw malformed([{ field: 'data_base64', message: 'is not supported: send data as JSON' }]);
  const trace = traceparent(event.traceparent, own(message, 'traceparent'));
  return fromAttributes((name) => event[name] ?? null, {
    traceparent: trace,
    dataschema: textOf(event.dataschema),
    data: event.data,
  });
}

function readBinary(message: WireMessage, data: unknown): Envelope {
  const trace = traceparent(own(message, 'traceparent'), own(message, 'ce_traceparent'));
  const dataschema = textOf(own(message, 'ce_dataschema'));
  return fromAttributes((name) => header(message, `ce_${name}`), {
    traceparent: trace,
    dataschema,
    data,
  });
}

/** The parts that make no message malformed. A wrong part counts as absent, or is checked later. */
type LenientParts = Pick<Envelope, 'traceparent' | 'dataschema' | 'data'>;

function fromAttributes(read: (name: string) => unknown, lenient: LenientParts): Envelope {
  const specversion = read('specversion');
  const [id, source, type] = [read('id'), read('source'), read('type')];
  const correlationId = read('correlationid');
  if (
    specversion === '1.0' &&
    isName(id) &&
    isName(source) &&
    isName(type) &&
    (correlationId === null || isName(correlationId))
  )
    return { id, source, type, correlationId, ...lenient };
  const optional = correlationId === null ? {} : { correlationid: correlationId };
  const wrong = Object.entries({ id, source, type, ...optional })
    .filter(([, value]) => !isName(value))
    .map(([name, value]) => wrongName(name, value));
  const version = { field: 'specversion', message: `must be "1.0", not ${quote(specversion)}` };
  throw malformed(specversion === '1.0' ? wrong : [version, ...wrong]);
}

function attribute(name: string, value: unknown): string {
  if (isName(value)) return value;
  throw malformed([wrongName(name, value)]);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

function wrongName(field: string, value: unknown): WrongField {
  const rule = 'must be 1 to 255 characters without control characters';
  return { field, message: `${rule}, not ${quote(value)}` };
}

function malformed(fields: readonly WrongField[]): MalformedMessageError {
  const sentences = fields.map(({ field, message }) => `${field} ${message}`);
  return new MalformedMessageError(sentences.join('; '), { fields });
}

/** Returns the first valid candidate. Others count as absent (W3C Trace Context, section 3.2). */
function traceparent(...candidates: readonly unknown[]): string | null {
  return (
    candidates
      .map(textOf)
      .find((each): each is string => each !== null && TRACEPARENT.test(each)) ?? null
  );
}

function textOf(value: unknown): string | null {
  if (Buffer.isBuffer(value)) return value.toString();
  return typeof value === 'string' ? value : null;
}

/**
 * Reads the message's value as JSON.
 *
 * @throws {MalformedMessageError} the value is absent, empty, not UTF-8 or not JSON
 */
export function readJson({ value }: WireMessage): unknown {
  if (value === null) throw new MalformedMessageError('The message has no value (a tombstone)');
  if (value.length === 0) throw new MalformedMessageError('The value is empty');
  let text: string;
  try {
    text = utf8.decode(value);
  } catch (error) {
    throw new MalformedMessageError('The value is not UTF-8', { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MalformedMessageError(`The value is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Returns the value as an object.
 *
 * @throws {MalformedMessageError} the value is an array, or is not an object
 */
export function object(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  const found = value === null ? 'null' : quote(value);
  throw new MalformedMessageError(`The value must be a JSON object, not ${found}`);
}

function own({ headers }: WireMessage, name: string): HeaderValue {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

/**
 * Reads a header as text.
 *
 * @returns null: the message does not have the header
 * @throws {MalformedMessageError} the header came several times, or is not UTF-8
 */
export function header(message: WireMessage, name: string): string | null {
  const value = own(message, name);
  if (value === undefined || typeof value === 'string') return value ?? null;
  if (!Buffer.isBuffer(value)) throw wrongHeader(name, `came ${value.length} times`);
  try {
    return utf8.decode(value);
  } catch (error) {
    throw wrongHeader(name, 'is not UTF-8', error);
  }
}

function wrongHeader(name: string, message: string, cause?: unknown): MalformedMessageError {
  const fields = [{ field: name.replace(/^ce_/, ''), message }];
  return new MalformedMessageError(`The header ${name} ${message}`, { fields, cause });
}

/** Describes in a few words a value that a sender wrote, for an error message. */
export function quote(value: unknown): string {
  if (value === null || value === undefined) return 'absent';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : JSON.stringify(value).slice(0, 80);
}
