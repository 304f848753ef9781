import { crc32c } from '@node-rs/crc32';
import { readBatchHeader } from './batch-header.ts';
import { batchesIn } from './batches.ts';

const CHECKSUM_AT = 17;
/** The checksum covers the bytes from the attributes on. */
const COVERED_FROM = 21;
/** The format with this checksum. Older formats have another one. */
const MAGIC = 2;

/** Writes the checksum of a record batch that is complete otherwise. */
export function writeChecksum(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(COVERED_FROM)), CHECKSUM_AT);
}

/**
 * Checks the checksum of each record batch that a leader has sent. The leader checked it when the
 * batch was written. So a wrong one means damage in the leader's log, or on the way from there.
 *
 * Source: Apache Kafka, message format, record batch (magic 2): CRC-32C. Kafka's Java consumer
 * checks it too (`check.crcs`).
 *
 * @param bytes record batches; a last one that is cut off is not checked
 * @throws {Error} a batch has another checksum
 */
export function requireChecksums(bytes: Buffer): void {
  for (const batch of batchesIn(bytes)) {
    const { magic, firstOffset } = readBatchHeader(batch);
    if (magic !== MAGIC) continue;
    if (crc32c(batch.subarray(COVERED_FROM)) === batch.readUInt32BE(CHECKSUM_AT)) continue;
    throw new Error(`the record batch at offset ${firstOffset} has a wrong checksum`);
  }
}
