import { gunzipSync } from 'node:zlib';
import { ByteReader, readRecord } from '../record-bytes.ts';

/** kafkajs's decoder, as far as it is needed here. */
export interface FetchDecoder {
  readonly buffer: Buffer;
  offset: number;
}

export type DecodeMessages = (decoder: FetchDecoder) => Promise<readonly object[]>;

const SIZE_BYTES = 4;
const BATCH_HEADER_BYTES = 61;
/** Of a batch: what its length does not count. */
const LENGTH_END = 12;
const MAGIC = 2;
const COMPRESSION = 0x07;
const GZIP = 1;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/**
 * Reads the records of one partition of a fetch in one pass over its bytes; kafkajs makes two decoders and four 64-bit integers
 * of each record, and takes a header named like something that every object has (`constructor`, `valueOf`) for one that was there before.
 * What is compressed in another way than gzip, or older than Kafka 0.11, is left to kafkajs.
 *
 * Source: Apache Kafka, message format, record batch (magic 2).
 */
export function inOnePass(kafkajs: DecodeMessages): DecodeMessages {
  return async (decoder) => {
    const start = decoder.offset + SIZE_BYTES;
    const size = decoder.buffer.readInt32BE(decoder.offset);
    if (size <= 0 || start + size > decoder.buffer.length) return kafkajs(decoder);
    const messages = messagesIn(decoder.buffer.subarray(start, start + size));
    if (messages === null) return kafkajs(decoder);
    decoder.offset = start + size;
    return messages;
  };
}

/** A last batch that was cut off is left out. @returns null for a format that is not read here */
function messagesIn(bytes: Buffer): readonly object[] | null {
  const messages: object[] = [];
  for (let start = 0; start + BATCH_HEADER_BYTES <= bytes.length; ) {
    const end = start + LENGTH_END + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    const attributes = bytes.readInt16BE(start + 21);
    if (bytes[start + 16] !== MAGIC || (attributes & COMPRESSION) > GZIP) return null;
    addMessages(bytes.subarray(start, end), attributes, messages);
    start = end;
  }
  return messages;
}

function addMessages(batch: Buffer, attributes: number, messages: object[]): void {
  const firstOffset = Number(batch.readBigInt64BE(0));
  const firstTimestampMs = Number(batch.readBigInt64BE(27));
  const maxTimestamp = String(batch.readBigInt64BE(35));
  const isControlBatch = (attributes & CONTROL) !== 0;
  const batchContext = {
    firstOffset: String(firstOffset),
    firstTimestamp: String(firstTimestampMs),
    partitionLeaderEpoch: batch.readInt32BE(12),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    isControlBatch,
    lastOffsetDelta: batch.readInt32BE(23),
    producerId: String(batch.readBigInt64BE(43)),
    producerEpoch: batch.readInt16BE(51),
    firstSequence: batch.readInt32BE(53),
    maxTimestamp,
    timestampType: (attributes & LOG_APPEND_TIME) === 0 ? 0 : 1,
    magicByte: MAGIC,
  };
  const count = batch.readInt32BE(57);
  if (count === 0) {
    messages.push(standIn(batchContext));
    return;
  }
  const body = batch.subarray(BATCH_HEADER_BYTES);
  const reader = new ByteReader((attributes & COMPRESSION) === GZIP ? gunzipSync(body) : body);
  for (let left = count; left > 0; left -= 1) {
    reader.varint(); // how many bytes
    const recordAttributes = reader.byte();
    const timestampMs = firstTimestampMs + reader.varlong();
    const offset = String(firstOffset + reader.varint());
    const { key, value, headers } = readRecord(reader);
    messages.push({
      magicByte: MAGIC,
      attributes: recordAttributes,
      timestamp: batchContext.timestampType === 1 ? maxTimestamp : String(timestampMs),
      offset,
      key,
      value,
      headers,
      isControlRecord: isControlBatch,
      batchContext,
    });
  }
}

/** For a batch of which compaction has left the header alone: without anything in its place, whoever reads would stand before it for ever. */
function standIn(batchContext: { readonly firstOffset: string; readonly lastOffsetDelta: number; readonly maxTimestamp: string }): object {
  const offset = String(Number(batchContext.firstOffset) + batchContext.lastOffsetDelta);
  const timestamp = batchContext.maxTimestamp;
  return { magicByte: MAGIC, attributes: 0, timestamp, offset, key: null, value: null, headers: {}, isControlRecord: true, batchContext };
}
