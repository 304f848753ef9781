import type { AnswerRecord, OutboxRecord } from '../service-layer/lane-store.ts';

/** A waiting record is in memory as text, and as the bytes that go on the wire. */
export const COPIES = 2;
/** The most bytes that one broker transaction publishes, apart from a single large chunk. */
export const MAX_CHUNK_BYTES = 4 * 1024 * 1024;

/** A guess, because counting the headers of each record takes as long as encoding them. */
const USUAL_HEADERS_BYTES = 400;

/** Records that one broker transaction publishes. */
export interface Chunk {
  readonly records: readonly OutboxRecord[];
  readonly nextOffset: number;
  readonly bytes: number;
}

/**
 * Cuts the records into chunks, between commands and never inside one. The last chunk moves the
 * group's offset to `nextOffset`.
 */
export function wholeCommandChunks(
  records: readonly OutboxRecord[],
  nextOffset: number,
): readonly Chunk[] {
  const chunks: { records: OutboxRecord[]; nextOffset: number; bytes: number }[] = [
    { records: [], nextOffset, bytes: 0 },
  ];
  for (const record of records) {
    let chunk = chunks.at(-1) as (typeof chunks)[number];
    const isNewCommand = chunk.records.at(-1)?.sourceOffset !== record.sourceOffset;
    if (isNewCommand && chunk.bytes > MAX_CHUNK_BYTES / 4) {
      chunk.nextOffset = (chunk.records.at(-1) as OutboxRecord).sourceOffset + 1;
      chunk = { records: [], nextOffset, bytes: 0 };
      chunks.push(chunk);
    }
    chunk.records.push(record);
    chunk.bytes += record.encoded.length;
  }
  return chunks;
}

/** Estimates how many bytes the records will take in memory. They are not encoded yet. */
export function estimateBytes(records: readonly AnswerRecord[]): number {
  return records.reduce((sum, record) => sum + estimateSize(record) * COPIES, 0);
}

function estimateSize({ key, value }: AnswerRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + USUAL_HEADERS_BYTES;
}
