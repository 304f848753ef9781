import { placeOf } from '../../../../domain/place.ts';
import type { Damage, Partition, ReceivedRecord } from '../../../../service-layer/records.ts';
import { ByteReader, readRecord } from '../../../record-bytes.ts';
import { type BatchHeader, MAGIC } from './batch-header.ts';
import { decompress } from './compression.ts';
import { BATCH_HEADER_BYTES } from './partition-records.ts';

/** The most records in a piece of a batch. Each record costs memory besides its bytes. */
export const MAX_PIECE_RECORDS = 10_000;

/** Which records of a fetch the reader wants. */
export interface PieceLimits {
  /** The offset that the reader asked for. The fetch may begin with earlier records. */
  readonly from: number;
  /** The most bytes that one fetch yields of a larger batch. A piece has at least one record. */
  readonly maxPieceBytes: number;
  /**
   * A placeholder, which says how large the record is, replaces a larger record. The limit applies
   * only within a batch that is larger than a piece, so it must be at least `MAX_PIECE_BYTES`.
   */
  readonly maxRecordBytes: number;
}

/** The records of one batch, or of a piece of it. */
export interface Piece {
  readonly records: readonly ReceivedRecord[];
  /** The offset after the piece. */
  readonly nextOffset: number;
}

type BatchOrigin = Partition & { readonly leaderEpoch: number };

/**
 * Decompresses the records of a batch.
 * @throws {Error} the batch has another format, its compression is damaged, or the records need
 * more than `maxBytes`
 */
export function readBody(batch: Buffer, { magic, codec }: BatchHeader, maxBytes: number): Buffer {
  if (magic !== MAGIC) throw new Error(`It has the format ${magic}, from before Kafka 0.11.`);
  const compressed = batch.subarray(BATCH_HEADER_BYTES);
  // Compaction may leave a header without records. The header still names the codec.
  if (compressed.length === 0) return compressed;
  const body = decompress(codec, compressed, maxBytes);
  // Node decompresses into chunks of 16 KiB from its pool, so the records of a small batch would
  // keep a whole chunk in memory. A copy must not come from the pool either.
  const isPooled = body.buffer !== compressed.buffer && body.buffer.byteLength > 2 * body.length;
  return isPooled ? Buffer.from(new Uint8Array(body).buffer) : body;
}

/** Reads the batch's records, or the next piece of a large batch from the wanted offset on. */
export function readPiece(
  origin: BatchOrigin,
  header: BatchHeader,
  body: Buffer,
  { from, maxPieceBytes, maxRecordBytes }: PieceLimits,
): Piece {
  const { count, lastOffset } = header;
  if (body.length <= maxPieceBytes && count <= MAX_PIECE_RECORDS)
    return { records: readRecords(origin, header, body, count), nextOffset: lastOffset + 1 };
  const piece = findPiece(header, body, from, maxPieceBytes);
  const { start, end, nextOffset } = piece;
  if (end - start > maxRecordBytes) {
    const record = tooLargeRecord(origin, header, nextOffset - 1, end - start, maxRecordBytes);
    return { records: [record], nextOffset };
  }
  // Copy the piece. A view of the batch would keep the whole batch in memory.
  const bytes = Buffer.from(body.subarray(start, end));
  return { records: readRecords(origin, header, bytes, piece.count), nextOffset };
}

/** Finds the bytes and the number of records of the piece that begins with the offset. */
function findPiece(
  { firstOffset, lastOffset, count: total }: BatchHeader,
  body: Buffer,
  from: number,
  maxBytes: number,
) {
  const reader = new ByteReader(body);
  let [start, end, count] = [0, 0, 0];
  for (let left = total; left > 0; left -= 1) {
    const recordEnd = reader.varint() + reader.position;
    reader.byte(); // attributes
    reader.varlong(); // timestamp
    const offset = firstOffset + reader.varint();
    reader.skipTo(recordEnd);
    if (offset < from) start = recordEnd;
    else if (count === MAX_PIECE_RECORDS || (count > 0 && recordEnd - start > maxBytes))
      return { start, end, count, nextOffset: offset };
    else count += 1;
    end = recordEnd;
  }
  return { start, end, count, nextOffset: lastOffset + 1 };
}

function readRecords(
  origin: BatchOrigin,
  { firstOffset, firstTimestampMs, maxTimestampMs, hasAppendTime }: BatchHeader,
  bytes: Buffer,
  count: number,
): ReceivedRecord[] {
  const records: ReceivedRecord[] = [];
  const reader = new ByteReader(bytes);
  for (let left = count; left > 0; left -= 1) {
    reader.varint(); // length in bytes
    reader.byte(); // attributes: none are defined
    const timestampMs = firstTimestampMs + reader.varlong();
    const offset = firstOffset + reader.varint();
    const { key, value, headers } = readRecord(reader);
    records.push({
      ...origin,
      offset,
      timestampMs: hasAppendTime ? maxTimestampMs : timestampMs,
      key,
      value,
      headers,
    });
  }
  return records;
}

/** Makes the placeholder for a whole batch, at its last offset. Its damage gives the reason. */
export function unreadableBatch(
  origin: BatchOrigin,
  header: BatchHeader,
  reason: string,
): ReceivedRecord {
  const { firstOffset, lastOffset } = header;
  const text = `The record batch of offsets ${firstOffset} to ${lastOffset} cannot be read.`;
  const damage = { reason: 'malformed', message: `${text} ${reason}` } as const;
  return placeholder(origin, header, lastOffset, damage);
}

function tooLargeRecord(
  origin: BatchOrigin,
  header: BatchHeader,
  offset: number,
  bytes: number,
  maxBytes: number,
): ReceivedRecord {
  const place = placeOf({ ...origin, offset });
  const size = `has ${bytes} bytes, but the service reads at most ${maxBytes}`;
  const damage = { reason: 'too-large', message: `The record at ${place} ${size}` } as const;
  return placeholder(origin, header, offset, damage);
}

/** Makes a record without key, value and headers, whose damage says what it stands for. */
function placeholder(
  origin: BatchOrigin,
  { maxTimestampMs }: BatchHeader,
  offset: number,
  damage: Damage,
): ReceivedRecord {
  return {
    ...origin,
    offset,
    timestampMs: maxTimestampMs,
    key: null,
    value: null,
    headers: {},
    damage,
  };
}
