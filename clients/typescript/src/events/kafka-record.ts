/** Bytes or text, as clients of Kafka hand them over. A `Buffer` is a `Uint8Array`. */
type Bytes = Uint8Array | string;

/**
 * The headers of a record, as clients of Kafka hand them over:
 *
 * - kafkajs, and confluent's client in its KafkaJS form: an object. A header that came several
 *   times is an array.
 * - @platformatic/kafka: a Map, whose keys are bytes unless a deserializer is set.
 * - confluent's client in its rdkafka form: an array with an object for each header.
 */
export type RecordHeaders =
  | Readonly<Record<string, Bytes | readonly Bytes[] | undefined>>
  | ReadonlyMap<Bytes, Bytes>
  | readonly Readonly<Record<string, Bytes>>[];

/** A record of the events topic, from any client of Kafka. */
export interface KafkaRecord {
  /** JSON. An object if the client has parsed it already. Null: a tombstone. */
  readonly value?: unknown;
  readonly headers?: RecordHeaders | undefined;
}

const utf8 = new TextDecoder();

/** Returns the headers as text. If a header came several times, the last one counts. */
export function textHeaders(headers: RecordHeaders = {}): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of entriesOf(headers)) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined && last !== null) texts.set(textOf(name), textOf(last));
  }
  return texts;
}

function entriesOf(headers: RecordHeaders): Iterable<readonly [Bytes, unknown]> {
  if (headers instanceof Map) return headers;
  return Array.isArray(headers)
    ? headers.flatMap((each) => Object.entries(each))
    : Object.entries(headers);
}

/** Returns the value as text. Null: the record has none, or has a value that is parsed already. */
export function textValue({ value }: KafkaRecord): string | null {
  return typeof value === 'string' || value instanceof Uint8Array ? textOf(value) : null;
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? utf8.decode(value) : String(value);
}
