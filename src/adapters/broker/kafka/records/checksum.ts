import { crc32c } from '@node-rs/crc32';
import { ATTRIBUTES } from './batch-header.ts';

const CHECKSUM_AT = 17;

/**
 * Computes the checksum of a record batch, which covers the bytes from the attributes on.
 *
 * Source: Apache Kafka, message format, record batch (magic 2): CRC-32C.
 */
function checksumOf(batch: Buffer): number {
  return crc32c(batch.subarray(ATTRIBUTES));
}

/** Writes the checksum of a record batch that is complete otherwise. */
export function writeChecksum(batch: Buffer): void {
  batch.writeUInt32BE(checksumOf(batch), CHECKSUM_AT);
}

/** Tells whether the record batch matches its checksum. */
export function hasRightChecksum(batch: Buffer): boolean {
  return checksumOf(batch) === batch.readUInt32BE(CHECKSUM_AT);
}
