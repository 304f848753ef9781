import { ByteReader, readRecord } from '../../record-bytes.ts';
import { decompress } from './compression.ts';

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
/** The header that `messages/cloud-events.ts` looks for. */
const UNREADABLE_BATCH = 'unreadable-batch';
/** What the batches of one fetch may come to when they are decompressed: far more than a producer puts in them that means well. */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;

/**
 * Reads the records of one partition of a fetch in one pass over its bytes; kafkajs makes two decoders and four 64-bit integers
 * of each record, and takes a header named like something that every object has (`constructor`, `valueOf`) for one that was there before.
 * It has codecs for none and gzip alone. What is older than Kafka 0.11 is left to kafkajs.
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
 * A last batch that was cut off is left out, and so is one that is damaged or too large, and what follows: the next fetch begins with
 * it. Of a fetch that does, one record is made that stands for the whole batch: refused, it would come again for ever.
 *
 * @returns null for a format that is not read here
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
      return [unreadable(batch, (error as Error).message)];
    }
    start = end;
  }
  return batches.flat();
}

/** @param body the records, decompressed */
function messagesOf(batch: Buffer, body: Buffer): readonly object[] {
  const messages: object[] = [];
  const batchContext = contextOf(batch);
  const [firstOffset, firstTimestampMs] = [Number(batchContext.firstOffset), Number(batchContext.firstTimestamp)];
  const count = batch.readInt32BE(57);
  if (count === 0) return [standIn(batchContext, true, {})];
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
      timestamp: batchContext.timestampType === 1 ? batchContext.maxTimestamp : String(timestampMs),
      offset,
      key,
      value,
      headers,
      isControlRecord: batchContext.isControlBatch,
      batchContext,
    });
  }
  return messages;
}

function contextOf(batch: Buffer) {
  const attributes = batch.readInt16BE(ATTRIBUTES);
  return {
    firstOffset: String(batch.readBigInt64BE(0)),
    firstTimestamp: String(batch.readBigInt64BE(27)),
    partitionLeaderEpoch: batch.readInt32BE(12),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    isControlBatch: (attributes & CONTROL) !== 0,
    lastOffsetDelta: batch.readInt32BE(23),
    producerId: String(batch.readBigInt64BE(43)),
    producerEpoch: batch.readInt16BE(51),
    firstSequence: batch.readInt32BE(53),
    maxTimestamp: String(batch.readBigInt64BE(35)),
    timestampType: (attributes & LOG_APPEND_TIME) === 0 ? 0 : 1,
    magicByte: MAGIC,
  };
}

/** A record without a value, at the last offset of the batch: its header says which records are meant, and why nobody can read them. */
function unreadable(batch: Buffer, why: string): object {
  const context = contextOf(batch);
  const last = Number(context.firstOffset) + context.lastOffsetDelta;
  const text = `The batch of offsets ${context.firstOffset} to ${last} cannot be read. ${why}`;
  return standIn(context, context.isControlBatch, { [UNREADABLE_BATCH]: Buffer.from(text) });
}

/**
 * In the place of a batch's records, at its last offset. Also for one of which compaction has left the header alone: without anything
 * in its place, whoever reads would stand before it for ever.
 */
function standIn(batchContext: ReturnType<typeof contextOf>, isControlRecord: boolean, headers: Readonly<Record<string, Buffer>>): object {
  const offset = String(Number(batchContext.firstOffset) + batchContext.lastOffsetDelta);
  const timestamp = batchContext.maxTimestamp;
  return { magicByte: MAGIC, attributes: 0, timestamp, offset, key: null, value: null, headers, isControlRecord, batchContext };
}
