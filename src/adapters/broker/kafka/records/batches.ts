import { BATCH_HEADER_BYTES } from './partition-records.ts';

/** A batch begins with its first offset and its length. The length does not count these bytes. */
const LENGTH_END = 12;

/** Yields each record batch of a fetch. The last one is left out if it is cut off. */
export function* batchesIn(bytes: Buffer): Generator<Buffer, void> {
  for (let start = 0; start + BATCH_HEADER_BYTES <= bytes.length; ) {
    const end = start + LENGTH_END + bytes.readInt32BE(start + 8);
    if (end > bytes.length) return;
    yield bytes.subarray(start, end);
    start = end;
  }
}
