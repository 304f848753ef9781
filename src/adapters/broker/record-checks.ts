import { MessageTooLargeError } from '../../service-layer/errors.ts';
import type { ReceivedRecord } from '../../service-layer/records.ts';

/** The partition and the offset that a record of a topic got. */
export type PlaceInTopic = Pick<ReceivedRecord, 'partition' | 'offset'>;

/** Checks that the topic has the partition. @throws {RangeError} the topic does not have it */
export function requirePartition(partition: number, topic: string, partitions: number): void {
  if (partition < partitions) return;
  throw new RangeError(
    `${topic} has no partition ${partition}: its partitions are 0 to ${partitions - 1}`,
  );
}

/**
 * Checks that the topic accepts a record of this size.
 * @param overheadBytes what the log adds to the record, and counts against `maxBytes`
 * @throws {MessageTooLargeError} the record is too large
 */
export function requireRoom(
  bytes: number,
  topic: string,
  maxBytes: number,
  overheadBytes = 0,
): void {
  if (bytes + overheadBytes <= maxBytes) return;
  throw new MessageTooLargeError(topic, bytes, maxBytes);
}
