import { BATCH_HEADER_BYTES } from './partition-records.ts';

/** The version of the format, since Kafka 0.11. */
export const MAGIC = 2;
/** Where the attributes begin. */
export const ATTRIBUTES = 21;
const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** The fields of a record batch's header that a reader needs. */
export interface BatchHeader {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  /** The version of the format. */
  readonly magic: number;
  /** The number of the codec that compresses the records. */
  readonly codec: number;
  /** Whether the broker's `maxTimestampMs` replaces the timestamps of the records. */
  readonly hasAppendTime: boolean;
  readonly isTransactional: boolean;
  /** Whether the batch holds the marker that ends a transaction, and no records. */
  readonly isControl: boolean;
  readonly firstTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: string;
  /** The number of records. Compaction may leave fewer records than offsets. */
  readonly count: number;
}

/**
 * Reads the header of a record batch.
 *
 * Source: Apache Kafka, message format, record batch (magic 2).
 */
export function readBatchHeader(batch: Buffer): BatchHeader {
  const firstOffset = Number(batch.readBigInt64BE(0));
  const attributes = batch.readInt16BE(ATTRIBUTES);
  return {
    firstOffset,
    leaderEpoch: batch.readInt32BE(12),
    magic: batch.readUInt8(16),
    codec: attributes & COMPRESSION,
    hasAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    lastOffset: firstOffset + batch.readInt32BE(23),
    firstTimestampMs: Number(batch.readBigInt64BE(27)),
    maxTimestampMs: Number(batch.readBigInt64BE(35)),
    producerId: String(batch.readBigInt64BE(43)),
    count: batch.readInt32BE(57),
  };
}

/** A batch begins with its first offset and its length. The length does not count these bytes. */
const LENGTH_END = 12;

/** Yields each record batch of a fetch, up to one that is cut off or whose length is damaged. */
export function* batchesIn(bytes: Buffer): Generator<Buffer, void> {
  for (let start = 0; start + BATCH_HEADER_BYTES <= bytes.length; ) {
    const end = start + LENGTH_END + bytes.readInt32BE(start + 8);
    if (end > bytes.length || end < start + BATCH_HEADER_BYTES) return;
    yield bytes.subarray(start, end);
    start = end;
  }
}
