import type { ReceivedRecord } from '../../../../service-layer/records.ts';
import { ByteReader, readRecord } from '../../../record-bytes.ts';
import type { AbortedTransaction } from '../requests/fetch-request.ts';
import { decompress } from './compression.ts';

/** What a reader wants of one fetch. */
export interface Wanted {
  /** The offset that was asked for. The fetch may begin with records before it. */
  readonly from: number;
  /** What is handed out of a batch that is larger; one record is handed out in any case. */
  readonly maxPieceBytes: number;
  /** In the place of a larger record comes one that says so; at least `MAX_PIECE_BYTES`. */
  readonly maxRecordBytes: number;
}

/** What a reader gets of one fetch. */
export interface Fetched {
  readonly records: readonly ReceivedRecord[];
  /** The offset after what was read, records that no reader sees included; null: nothing was. */
  readonly nextOffset: number | null;
  /** The leader epoch of each batch that was read. */
  readonly epochs: readonly number[];
}

const BATCH_HEADER_BYTES = 61;
/** What a batch's length does not count: its first offset, and the length. */
const LENGTH_END = 12;
const MAGIC = 2;
const ATTRIBUTES = 21;
const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** A marker's key: version 0, type 0. */
const ABORT_MARKER = Buffer.from([0, 0, 0, 0]);
/** The headers that `messages/cloud-events.ts` looks for. */
const UNREADABLE_BATCH = 'unreadable-batch';
const TOO_LARGE_RECORD = 'too-large-record';
/**
 * How many bytes a batch may take when it is decompressed. A producer that means well stays far
 * below; a few kilobytes that mean ill come to gigabytes.
 */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;
/** The most that is worth handing out of one fetch, decompressed. A fetch that was not compressed stays below. */
export const MAX_PIECE_BYTES = 2 * 1024 * 1024;
const MAX_PIECE_RECORDS = 10_000;

interface BatchHeader {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  readonly attributes: number;
  readonly firstTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: string;
  readonly count: number;
}

/**
 * Reads the committed records in the bytes of one partition of a fetch, in one pass. Markers of
 * transactions and records of aborted ones count for `nextOffset` and are not handed out. A last
 * batch that was cut off is left for the next fetch. So is a batch that cannot be read, and what
 * follows it. If a fetch starts with such a batch, one placeholder record stands for the whole
 * batch: rejecting the fetch would make Kafka redeliver it forever.
 *
 * A batch that is larger than a piece is handed out in pieces: each fetch decompresses it again,
 * and goes on within it. So what one lane holds is bounded, and no lane waits for another one's.
 *
 * Source: Apache Kafka, message format, record batch (magic 2).
 *
 * @param aborted the aborted transactions that reach into the bytes, in any order
 */
export function readFetched(
  topic: string,
  partition: number,
  bytes: Buffer,
  aborted: readonly AbortedTransaction[],
  wanted: Wanted,
): Fetched {
  const records: ReceivedRecord[] = [];
  const abortions = new Abortions(aborted);
  let room = MAX_DECOMPRESSED_BYTES;
  let nextOffset: number | null = null;
  const epochs: number[] = [];
  for (let start = 0, isOver = false; !isOver && start + BATCH_HEADER_BYTES <= bytes.length; ) {
    const end = start + LENGTH_END + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    const batch = bytes.subarray(start, end);
    const header = headerOf(batch);
    const place = { topic, partition, leaderEpoch: header.leaderEpoch };
    if (nextOffset !== null && (room <= 0 || records.length + header.count > MAX_PIECE_RECORDS))
      break;
    let found: Pick<Fetched, 'records'> & { readonly nextOffset: number };
    try {
      const body = bodyOf(batch, header, room);
      // The first batch may be larger than a piece: what is handed out of it is not.
      room = Math.min(room, wanted.maxPieceBytes) - body.length;
      found = pieceOf(place, header, body, wanted);
    } catch (error) {
      if (nextOffset !== null) break;
      isOver = true;
      found = {
        records: [unreadableBatch(place, header, (error as Error).message)],
        nextOffset: header.lastOffset + 1,
      };
    }
    const isVisible = abortions.areVisible(header, found.records);
    if (isVisible) for (const record of found.records) records.push(record);
    nextOffset = isVisible ? found.nextOffset : header.lastOffset + 1;
    isOver ||= nextOffset <= header.lastOffset;
    epochs.push(header.leaderEpoch);
    start = end;
  }
  return { records, nextOffset, epochs };
}

/**
 * Which batches belong to aborted transactions. A broker lists the transactions in the order of
 * their ends, so several of them may have begun before the first batch.
 */
class Abortions {
  readonly #waiting: AbortedTransaction[];
  readonly #open = new Set<string>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting = aborted.toSorted((one, other) => one.firstOffset - other.firstOffset);
  }

  /** Asked for each batch, in their order. */
  areVisible(
    { lastOffset, attributes, producerId }: BatchHeader,
    records: readonly ReceivedRecord[],
  ): boolean {
    for (
      let next = this.#waiting[0];
      next && next.firstOffset <= lastOffset;
      next = this.#waiting[0]
    ) {
      this.#open.add(next.producerId);
      this.#waiting.shift();
    }
    if ((attributes & CONTROL) !== 0) {
      if (records[0]?.key?.equals(ABORT_MARKER)) this.#open.delete(producerId);
      return false;
    }
    return (attributes & TRANSACTIONAL) === 0 || !this.#open.has(producerId);
  }
}

function headerOf(batch: Buffer): BatchHeader {
  const firstOffset = Number(batch.readBigInt64BE(0));
  return {
    firstOffset,
    leaderEpoch: batch.readInt32BE(12),
    attributes: batch.readInt16BE(ATTRIBUTES),
    lastOffset: firstOffset + batch.readInt32BE(23),
    firstTimestampMs: Number(batch.readBigInt64BE(27)),
    maxTimestampMs: Number(batch.readBigInt64BE(35)),
    producerId: String(batch.readBigInt64BE(43)),
    count: batch.readInt32BE(57),
  };
}

/** The records, decompressed. @throws they cannot be, or would be more than that many bytes */
function bodyOf(batch: Buffer, { attributes }: BatchHeader, maxBytes: number): Buffer {
  const magic = batch[16];
  if (magic !== MAGIC) throw new Error(`It has the format ${magic}, from before Kafka 0.11.`);
  const compressed = batch.subarray(BATCH_HEADER_BYTES);
  // Compaction leaves the header of a batch without records, its compression included.
  if (compressed.length === 0) return compressed;
  const body = decompress(attributes & COMPRESSION, compressed, maxBytes);
  // Node unpacks into chunks of 16 KiB of its pool. The records of a small batch would keep them, and
  // so would a copy in the pool.
  const isPooled = body.buffer !== compressed.buffer && body.buffer.byteLength > 2 * body.length;
  return isPooled ? Buffer.from(new Uint8Array(body).buffer) : body;
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
}

/** Reads the batch's records, or the next piece of a large batch from the wanted offset on. */
function pieceOf(
  place: Place,
  header: BatchHeader,
  body: Buffer,
  { from, maxPieceBytes, maxRecordBytes }: Wanted,
) {
  const { count, lastOffset } = header;
  if (body.length <= maxPieceBytes && count <= MAX_PIECE_RECORDS)
    return { records: recordsOf(place, header, body, count), nextOffset: lastOffset + 1 };
  const { start, end, taken, nextOffset } = boundsOf(header, body, from, maxPieceBytes);
  if (end - start > maxRecordBytes) {
    const offset = nextOffset - 1;
    const text = `The record comes to ${end - start} bytes, and the service reads ${maxRecordBytes} at most; it is at`;
    const headers = {
      [TOO_LARGE_RECORD]: Buffer.from(`${text} ${place.topic}/${place.partition}/${offset}`),
    };
    return {
      records: [
        { ...place, offset, timestampMs: header.maxTimestampMs, key: null, value: null, headers },
      ],
      nextOffset,
    };
  }
  // Copy the piece: a view of the batch would keep all of it in memory.
  return {
    records: recordsOf(place, header, Buffer.from(body.subarray(start, end)), taken),
    nextOffset,
  };
}

/** Where the piece that begins with the offset lies in the batch, and how many records it has. */
function boundsOf(
  { firstOffset, lastOffset, count }: BatchHeader,
  body: Buffer,
  from: number,
  maxBytes: number,
) {
  const reader = new ByteReader(body);
  let [start, end, taken] = [0, 0, 0];
  for (let left = count; left > 0; left -= 1) {
    const recordEnd = reader.varint() + reader.position;
    reader.byte(); // attributes
    reader.varlong(); // timestamp
    const offset = firstOffset + reader.varint();
    reader.skipTo(recordEnd);
    if (offset < from) start = recordEnd;
    else if (taken === MAX_PIECE_RECORDS || (taken > 0 && recordEnd - start > maxBytes))
      return { start, end, taken, nextOffset: offset };
    else taken += 1;
    end = recordEnd;
  }
  return { start, end, taken, nextOffset: lastOffset + 1 };
}

function recordsOf(
  place: Place,
  header: BatchHeader,
  bytes: Buffer,
  count: number,
): ReceivedRecord[] {
  const records: ReceivedRecord[] = [];
  const reader = new ByteReader(bytes);
  const isAppendTime = (header.attributes & LOG_APPEND_TIME) !== 0;
  for (let left = count; left > 0; left -= 1) {
    reader.varint(); // length in bytes
    reader.byte(); // attributes: none are defined
    const timestampMs = header.firstTimestampMs + reader.varlong();
    const offset = header.firstOffset + reader.varint();
    const { key, value, headers } = readRecord(reader);
    records.push({
      ...place,
      offset,
      timestampMs: isAppendTime ? header.maxTimestampMs : timestampMs,
      key,
      value,
      headers,
    });
  }
  return records;
}

/** A record without a value, at the batch's last offset; its header says what cannot be read, and why. */
function unreadableBatch(
  place: Place,
  { firstOffset, lastOffset, maxTimestampMs }: BatchHeader,
  why: string,
): ReceivedRecord {
  const text = `The batch of offsets ${firstOffset} to ${lastOffset} cannot be read. ${why}`;
  const headers = { [UNREADABLE_BATCH]: Buffer.from(text) };
  return {
    ...place,
    offset: lastOffset,
    timestampMs: maxTimestampMs,
    key: null,
    value: null,
    headers,
  };
}
