/** The position of one partition of a topic. */
export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/** Header values as bytes; a header that came several times has several values. */
export type Headers = Readonly<
  Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>
>;

export interface LogRecord {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers: Headers;
}

/** A record with where it is to go. */
export interface AddressedRecord extends LogRecord {
  /** Without it, the partition of the record's key. */
  readonly partition?: number;
}

export interface ReceivedRecord extends Partition {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** Counts the partition's leaders: the one that took the record. Absent where a log has no leaders. */
  readonly leaderEpoch?: number;
}

export interface OutgoingRecord extends LogRecord {
  readonly topic: string;
  /** Key, value and headers as the log has them, once somebody has encoded them: the outbox does, and the broker copies. */
  encoded?: Buffer;
}

/** How far somebody has come in a partition: `nextOffset` is what comes next. */
export interface PartitionOffset extends Partition {
  readonly nextOffset: number;
}

/** The offset up to which (exclusive) a consumer group has dealt with a partition. */
export interface GroupPosition extends PartitionOffset {
  readonly group: string;
}
