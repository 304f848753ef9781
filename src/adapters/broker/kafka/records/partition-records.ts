import type { OutgoingRecord } from '../../../../service-layer/records.ts';

/** A record to append, with its partition. */
export interface PartitionRecord {
  readonly record: OutgoingRecord;
  readonly partition: number;
  /** The largest record batch that the topic accepts (`max.message.bytes`). */
  readonly maxMessageBytes: number;
}

/** The size of a batch with several records. Larger batches are not faster. */
const MAX_BATCH_BYTES = 900 * 1024;
/** The size of a record batch's header. */
export const BATCH_HEADER_BYTES = 61;

/** Returns how large a batch of several records may be for a topic with this limit. */
export function batchLimitBytes(maxMessageBytes: number): number {
  return Math.min(MAX_BATCH_BYTES, maxMessageBytes);
}
