import type { OutgoingRecord } from '../../../../service-layer/records.ts';

/** A record that knows its partition. */
export interface PlacedRecord {
  readonly record: OutgoingRecord;
  readonly partition: number;
  /** The largest record batch that the topic takes (`max.message.bytes`). */
  readonly maxMessageBytes: number;
}

/** More does not make batches faster. What a topic takes beyond it goes alone. */
const MAX_BATCH_BYTES = 900 * 1024;
export const BATCH_OVERHEAD_BYTES = 61;

/** How large a batch of several records may be that the topic takes. */
export function batchLimitBytes(maxMessageBytes: number): number {
  return Math.min(MAX_BATCH_BYTES, maxMessageBytes);
}
