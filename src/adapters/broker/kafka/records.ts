import type { IHeaders, Message, TopicMessages } from 'kafkajs';
import type { Headers, LogRecord, OutgoingRecord } from '../../../service-layer/unit-of-work.ts';
import { bytesOf } from '../../record-bytes.ts';

/** A record that knows its partition. */
export interface PlacedRecord {
  readonly record: OutgoingRecord;
  readonly partition: number;
  /** The largest record batch that the topic takes (`max.message.bytes`). */
  readonly maxMessageBytes: number;
}

/** More does not make batches faster. What a topic takes beyond it goes alone. */
const MAX_BATCH_BYTES = 900 * 1024;
// kafkajs groups the records of one send in quadratic time.
const MAX_SEND_RECORDS = 2_000;
export const BATCH_OVERHEAD_BYTES = 61;

/** How large a batch of several records may be that the topic takes. */
export function batchLimitBytes(maxMessageBytes: number): number {
  return Math.min(MAX_BATCH_BYTES, maxMessageBytes);
}

function encode({ key, value, headers }: LogRecord): Message {
  return { key, value, headers: encodeHeaders(headers) };
}

function encodeHeaders(headers: Headers): IHeaders {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' || Buffer.isBuffer(value) ? value : [...value]]],
    ),
  );
}

/** Cuts the records, in order, into sends that the broker takes: each partition's part is one record batch. */
export function* sends(records: readonly PlacedRecord[]): Generator<readonly PlacedRecord[]> {
  let send: PlacedRecord[] = [];
  let bytes = new Map<string, number>();
  for (const placed of records) {
    const place = `${placed.record.topic}/${placed.partition}`;
    const size = bytesOf(placed.record);
    const soFar = bytes.get(place) ?? BATCH_OVERHEAD_BYTES;
    if (send.length >= MAX_SEND_RECORDS || (bytes.has(place) && soFar + size > batchLimitBytes(placed.maxMessageBytes))) {
      yield send;
      send = [];
      bytes = new Map();
    }
    send.push(placed);
    bytes.set(place, (bytes.get(place) ?? BATCH_OVERHEAD_BYTES) + size);
  }
  if (send.length > 0) yield send;
}

export function topicMessages(records: readonly PlacedRecord[]): TopicMessages[] {
  return [...Map.groupBy(records, ({ record }) => record.topic)].map(([topic, ofTopic]) => ({
    topic,
    messages: ofTopic.map(({ record, partition }) => ({ ...encode(record), partition })),
  }));
}
