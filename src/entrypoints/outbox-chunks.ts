import type { AnswerRecord, OutboxRecord } from '../service-layer/lane-store.ts';
import type { PartitionOffset } from '../service-layer/records.ts';

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

/** A chunk that goes out after what other lanes must have published. */
export interface WaitingChunk extends Chunk {
  readonly restsOn: readonly PartitionOffset[];
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

/**
 * Takes the first chunk out of the queue, together with those behind it that can go out at once. So
 * a busy lane has fewer and larger transactions.
 *
 * @param isPublished tells whether other lanes have published this
 * @returns undefined: the queue is empty
 */
export function takeJoined(
  queue: WaitingChunk[],
  isPublished: (restsOn: WaitingChunk['restsOn']) => boolean,
): WaitingChunk | undefined {
  const first = queue.shift();
  if (!first) return undefined;
  const joined = { ...first, records: [...first.records] };
  const mayJoin = ({ bytes, restsOn }: WaitingChunk) =>
    joined.bytes + bytes <= MAX_CHUNK_BYTES && isPublished(restsOn);
  while (queue[0] && mayJoin(queue[0])) {
    const next = queue.shift() as WaitingChunk;
    joined.records.push(...next.records);
    joined.nextOffset = next.nextOffset;
    joined.bytes += next.bytes;
  }
  return joined;
}

/** Estimates how many bytes the records will take in memory. They are not encoded yet. */
export function estimateBytes(records: readonly AnswerRecord[]): number {
  return records.reduce((sum, record) => sum + estimateSize(record) * COPIES, 0);
}

function estimateSize({ key, value }: AnswerRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + USUAL_HEADERS_BYTES;
}
