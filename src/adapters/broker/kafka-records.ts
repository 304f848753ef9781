import type { IHeaders, KafkaMessage, Message, TopicMessages } from 'kafkajs';
import type { Headers, LogRecord, ReceivedRecord } from '../../service-layer/unit-of-work.ts';

/** A record that knows its partition. */
export interface PlacedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly message: Message;
  readonly bytes: number;
}

// The broker takes record batches of 1 MiB by default; what a topic takes beyond that goes alone.
const MAX_BATCH_BYTES = 900 * 1024;
// kafkajs groups the records of one send in quadratic time.
const MAX_SEND_RECORDS = 2_000;
/** Of a record batch, and of a record besides its key, value and headers: upper bounds. */
export const BATCH_OVERHEAD_BYTES = 61;
const RECORD_OVERHEAD_BYTES = 30;
const HEADER_OVERHEAD_BYTES = 6;

export function encode({ key, value, headers }: LogRecord): Message {
  return { key, value, headers: encodeHeaders(headers) };
}

function encodeHeaders(headers: Headers): IHeaders {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' || Buffer.isBuffer(value) ? value : [...value]]],
    ),
  );
}

export function decode(topic: string, partition: number, message: KafkaMessage): ReceivedRecord {
  const { offset, timestamp, key, value, headers = {} } = message;
  const kept = Object.entries(headers).filter(([, header]) => header !== null);
  return { topic, partition, offset: Number(offset), timestampMs: Number(timestamp), key, value, headers: Object.fromEntries(kept) };
}

/** How many bytes the record takes in the log, at most. */
export function bytesOf({ key, value, headers }: LogRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + byteLength(key) + byteLength(value);
  for (const [name, header] of Object.entries(headers)) {
    for (const each of Array.isArray(header) ? header : [header]) {
      bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + byteLength(each);
    }
  }
  return bytes;
}

function byteLength(value: Buffer | string | null | undefined): number {
  return value === null || value === undefined ? 0 : Buffer.byteLength(value);
}

/** Cuts the records, in order, into sends that the broker takes: each partition's part is one record batch. */
export function* sends(records: readonly PlacedRecord[]): Generator<readonly PlacedRecord[]> {
  let send: PlacedRecord[] = [];
  let bytes = new Map<string, number>();
  for (const record of records) {
    const place = `${record.topic}/${record.partition}`;
    const soFar = bytes.get(place) ?? BATCH_OVERHEAD_BYTES;
    if (send.length >= MAX_SEND_RECORDS || (bytes.has(place) && soFar + record.bytes > MAX_BATCH_BYTES)) {
      yield send;
      send = [];
      bytes = new Map();
    }
    send.push(record);
    bytes.set(place, (bytes.get(place) ?? BATCH_OVERHEAD_BYTES) + record.bytes);
  }
  if (send.length > 0) yield send;
}

export function topicMessages(records: readonly PlacedRecord[]): TopicMessages[] {
  return [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    messages: ofTopic.map(({ message, partition }) => ({ ...message, partition })),
  }));
}
