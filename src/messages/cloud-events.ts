/** What the messages need of a record on the wire. */
export interface WireMessage {
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, HeaderValue>>;
}

type HeaderValue = Buffer | string | readonly (Buffer | string)[] | undefined;

/** What a message says, in whichever form it came. */
export interface Envelope {
  readonly id: string | null;
  /** Null: plain JSON has none. */
  readonly source: string | null;
  readonly type: string | null;
  readonly correlationId: string | null;
  readonly traceparent: string | null;
  /** As the sender wrote it, which may be a schema of his own; what is no text is as good as none. */
  readonly dataschema: string | null;
  readonly data: unknown;
}

/** The bytes are no message: one sentence says why. */
export class MalformedMessageError extends Error {
  readonly code = 'malformed';
}

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';

/** 1 to 255 characters (code points), none of them a control character or half of a surrogate pair. */
export const NAME = /^[^\p{Cc}\p{Cs}]{1,255}$/u;

/** On a record that stands for a whole batch which nobody can read (`adapters/broker/kafka/records/fetched-records.ts`): why. */
const UNREADABLE_BATCH = 'unreadable-batch';
/** The same of a record that is larger than any command. */
export const TOO_LARGE_RECORD = 'too-large-record';
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a message in CloudEvents 1.0 binary mode, structured mode, or as plain JSON `{"type": …, …data}`.
 *
 * Source: CloudEvents Kafka Protocol Binding 1.0.2, section 3.
 * @throws {MalformedMessageError}
 */
export function readEnvelope(message: WireMessage): Envelope {
  const body = readJson(message);
  const contentType = header(message, 'content-type');
  if (contentType?.toLowerCase().startsWith('application/cloudevents'))
    return structured(message, object(body));
  const isBinary = ['ce_specversion', 'ce_id', 'ce_source', 'ce_type'].some(
    (name) => header(message, name) !== null,
  );
  if (isBinary) return binary(message, body);
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

function structured(message: WireMessage, event: Record<string, unknown>): Envelope {
  if ('data_base64' in event)
    throw new MalformedMessageError('data_base64 is not supported: send data as JSON');
  const trace = traceparent(event.traceparent, own(message, 'traceparent'));
  return fromAttributes((name) => event[name] ?? null, {
    traceparent: trace,
    dataschema: textOf(event.dataschema),
    data: event.data,
  });
}

function binary(message: WireMessage, data: unknown): Envelope {
  const trace = traceparent(own(message, 'traceparent'), own(message, 'ce_traceparent'));
  const dataschema = textOf(own(message, 'ce_dataschema'));
  return fromAttributes((name) => header(message, `ce_${name}`), {
    traceparent: trace,
    dataschema,
    data,
  });
}

type Lenient = Pick<Envelope, 'traceparent' | 'dataschema' | 'data'>;

function fromAttributes(read: (name: string) => unknown, lenient: Lenient): Envelope {
  const specversion = read('specversion');
  if (specversion !== '1.0')
    throw new MalformedMessageError(`specversion must be "1.0", not ${shown(specversion)}`);
  const source = attribute('source', read('source'));
  const correlationId = read('correlationid');
  return {
    id: attribute('id', read('id')),
    source,
    type: attribute('type', read('type')),
    correlationId: correlationId === null ? null : attribute('correlationid', correlationId),
    ...lenient,
  };
}

function attribute(name: string, value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw new MalformedMessageError(
    `${name} must be 1 to 255 characters without control characters, not ${shown(value)}`,
  );
}

/** The first that is valid; an invalid one is as good as none (W3C Trace Context, section 3.2) and spoils no command. */
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

export function readJson(message: WireMessage): unknown {
  const { value } = message;
  if (value === null)
    throw new MalformedMessageError(
      header(message, UNREADABLE_BATCH) ?? 'The message has no value (a tombstone)',
    );
  if (value.length === 0) throw new MalformedMessageError('The value is empty');
  let text: string;
  try {
    text = utf8.decode(value);
  } catch {
    throw new MalformedMessageError('The value is not UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MalformedMessageError(`The value is not JSON: ${(error as Error).message}`);
  }
}

export function object(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new MalformedMessageError(`The value must be a JSON object, not ${shown(value)}`);
}

function own({ headers }: WireMessage, name: string): HeaderValue {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

export function header(message: WireMessage, name: string): string | null {
  const value = own(message, name);
  if (value === undefined || typeof value === 'string') return value ?? null;
  if (!Buffer.isBuffer(value))
    throw new MalformedMessageError(`The header ${name} came ${value.length} times`);
  try {
    return utf8.decode(value);
  } catch {
    throw new MalformedMessageError(`The header ${name} is not UTF-8`);
  }
}

export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'absent';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : JSON.stringify(value).slice(0, 80);
}
