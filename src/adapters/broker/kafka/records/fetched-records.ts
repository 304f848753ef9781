import { placeOf } from '../../../../domain/place.ts';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { Partition, ReceivedRecord } from '../../../../service-layer/records.ts';
import { countBrokerError } from '../error-counts.ts';
import type { AbortedTransaction } from '../requests/fetch-request.ts';
import { AbortedBatches } from './aborted-batches.ts';
import { type BatchHeader, batchesIn, MAGIC, readBatchHeader } from './batch-header.ts';
import {
  MAX_PIECE_RECORDS,
  type Piece,
  type PieceLimits,
  readBody,
  readPiece,
  unreadableBatch,
} from './batch-records.ts';
import { hasRightChecksum } from './checksum.ts';

/** What a reader gets from one fetch. */
interface FetchedRecords {
  readonly records: readonly ReceivedRecord[];
  /** The offset after all records that were read, visible or not; null if there were none. */
  readonly nextOffset: number | null;
  /** The leader epoch of each batch that was read. */
  readonly epochs: readonly number[];
}

/**
 * The most bytes of decompressed records in one batch. Honest producers stay far below. A hostile
 * batch of a few kilobytes may hold gigabytes.
 */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;
/**
 * The most bytes that one fetch yields of a large batch. A fetch without compression is smaller.
 */
export const MAX_PIECE_BYTES = 2 * 1024 * 1024;

/**
 * Reads the committed records from the bytes that a fetch returned for one partition.
 *
 * - Transaction markers and aborted records only move `nextOffset`.
 * - The next fetch reads a last batch that is cut off, or an unreadable batch and what follows it.
 *   If a fetch starts with an unreadable batch, one placeholder record stands for the whole batch.
 *   Rejecting the fetch would make Kafka redeliver it forever.
 * - A fetch that starts with a damaged batch throws: a replica may still have it whole.
 *   Kafka's Java consumer checks the same checksums (`check.crcs`).
 * - A batch that is larger than a piece yields one piece for each fetch. Each fetch decompresses
 *   the batch again. So a lane holds a bounded number of bytes, and waits for no other lane.
 *
 * Source: Apache Kafka, message format, record batch (magic 2).
 *
 * @param aborted the aborted transactions with records in the bytes, in any order
 * @throws {TroubleError} the first batch is damaged; ask again, over another connection
 */
export function readFetched(
  topic: string,
  partition: number,
  bytes: Buffer,
  aborted: readonly AbortedTransaction[],
  limits: PieceLimits,
): FetchedRecords {
  const records: ReceivedRecord[] = [];
  const abortedBatches = new AbortedBatches(aborted);
  let room = MAX_DECOMPRESSED_BYTES;
  let nextOffset: number | null = null;
  const epochs: number[] = [];
  let isOver = false;
  for (const batch of batchesIn(bytes)) {
    if (isOver) break;
    const header = readBatchHeader(batch);
    if (nextOffset !== null && (room <= 0 || records.length + header.count > MAX_PIECE_RECORDS))
      break;
    if (isDamaged(batch, header)) {
      if (nextOffset !== null) break;
      throw damageOf(placeOf({ topic, partition, offset: header.firstOffset }));
    }
    let piece: Piece;
    try {
      const body = readBody(batch, header, room);
      // The first batch may be larger than a piece, but yields one piece.
      room = Math.min(room, limits.maxPieceBytes) - body.length;
      piece = readPiece(
        { topic, partition, leaderEpoch: header.leaderEpoch },
        header,
        body,
        limits,
      );
    } catch (error) {
      if (nextOffset !== null) break;
      isOver = true;
      piece = placeholderPiece({ topic, partition }, header, error as Error);
    }
    const isVisible = abortedBatches.areVisible(header, piece.records);
    if (isVisible) for (const record of piece.records) records.push(record);
    nextOffset = isVisible ? piece.nextOffset : header.lastOffset + 1;
    isOver ||= nextOffset <= header.lastOffset;
    epochs.push(header.leaderEpoch);
  }
  // A leader sends at least one whole batch.
  if (nextOffset === null && bytes.length > 0)
    throw damageOf(placeOf({ topic, partition, offset: limits.from }));
  return { records, nextOffset, epochs };
}

/**
 * Tells whether the batch is damaged. A batch from before Kafka 0.11 has another checksum, so a
 * right one means that the format itself is damaged.
 */
function isDamaged(batch: Buffer, { magic }: BatchHeader): boolean {
  return magic > MAGIC || hasRightChecksum(batch) !== (magic === MAGIC);
}

function damageOf(place: string): TroubleError {
  countBrokerError('CORRUPT_MESSAGE');
  return new TroubleError(
    `The record batch at ${place} is damaged: its checksum, format or length is wrong. ` +
      'If that stays so, move the leadership of the partition to another replica',
  );
}

function placeholderPiece(partition: Partition, header: BatchHeader, reason: Error): Piece {
  const origin = { ...partition, leaderEpoch: header.leaderEpoch };
  return {
    records: [unreadableBatch(origin, header, reason.message)],
    nextOffset: header.lastOffset + 1,
  };
}
