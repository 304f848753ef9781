import { ByteReader, readRecord } from '../record-bytes.ts';
import { decompress } from './kafka-compression.ts';

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
const ATTRIBUTES = 21;
const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** What the batches of one fetch may come to when they are decompressed: far more than a producer puts in them that means well. */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;

/**
 * Reads the records of one partition of a fetch in one pass over its bytes; kafkajs makes two decoders and four 64-bit integers
 * of each record, and takes a header named like something that every object has (`constructor`, `valueOf`) for one that was there before.
  const count = batch.readInt32BE(57);
  if (count === 0) return [standIn(batchContext)];
  const reader = new ByteReader(body);
  for (let left = count; left > 0; left -= 1) {
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

/**
 * A last batch that was cut off is left out, and so is, unless it is the first, one that is damaged or too large, and what follows:
 * the next fetch begins with it.
 *
 * @returns null for a format that is not read here
 * @throws the first batch is damaged, or too large
 */
function messagesIn(bytes: Buffer): readonly object[] | null {
  const batches: (readonly object[])[] = [];
  let room = MAX_DECOMPRESSED_BYTES;
  for (let start = 0; start + BATCH_HEADER_BYTES <= bytes.length; ) {
    const end = start + LENGTH_END + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    if (bytes[start + 16] !== MAGIC) return null;
    const batch = bytes.subarray(start, end);
    try {
      const compressed = batch.subarray(BATCH_HEADER_BYTES);
      // Of a batch that compaction has emptied the header is left, compression and all.
      const body = compressed.length === 0 ? compressed : decompress(batch.readInt16BE(ATTRIBUTES) & COMPRESSION, compressed, room);
      batches.push(messagesOf(batch, body));
      room -= body.length;
    } catch (error) {
      if (batches.length > 0) break;
      throw new Error(`The batch at offset ${batch.readBigInt64BE(0)} cannot be read. ${(error as Error).message}`);
    }
    start = end;
  }
  return batches.flat();
}

/** @param body the records, decompressed */
function messagesOf(batch: Buffer, body: Buffer): readonly object[] {
  const messages: object[] = [];
  const attributes = batch.readInt16BE(ATTRIBUTES);
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
  if (count === 0) return [standIn(batchContext)];
  const reader = new ByteReader(body);
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
  return messages;
}

/** For a batch of which compaction has left the header alone: without anything in its place, whoever reads would stand before it for ever. */
function standIn(batchContext: { readonly firstOffset: string; readonly lastOffsetDelta: number; readonly maxTimestamp: string }): object {
  const offset = String(Number(batchContext.firstOffset) + batchContext.lastOffsetDelta);
  const timestamp = batchContext.maxTimestamp;
  return { magicByte: MAGIC, attributes: 0, timestamp, offset, key: null, value: null, headers: {}, isControlRecord: true, batchContext };
}
