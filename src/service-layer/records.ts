/** Names one partition of a topic. */
export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/** The headers of a record. A header that came several times has several values. */
export type Headers = Readonly<
  Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>
>;

/** A record as the log keeps it. */
export interface LogRecord {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers: Headers;
}

/** A record for `Broker.publish`. */
export interface AddressedRecord extends LogRecord {
  /** The partition of the record. Absent: the partition that belongs to the record's key. */
  readonly partition?: number;
}

/** A record with its place in the log. */
export interface ReceivedRecord extends Partition {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** The epoch of the partition's leader that took the record. Absent: the log has no leaders. */
  readonly leaderEpoch?: number;
}

/** A record for a broker transaction. */
export interface OutgoingRecord extends LogRecord {
  readonly topic: string;
  /**
   * Key, value and headers in the bytes of the log. The outbox sets them, so that the broker copies
   * the bytes and does not encode the record again. Absent: the broker encodes the record.
   */
  encoded?: Buffer;
}

/** A position in a partition: everything before `nextOffset` is done. */
export interface PartitionOffset extends Partition {
  readonly nextOffset: number;
}

/** The committed offset of a consumer group in one partition. */
export interface GroupPosition extends PartitionOffset {
  readonly group: string;
}
