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

/** Why nobody can read a record. */
export interface Damage {
  /** `too-large`: the record has more bytes than the service reads. */
  readonly reason: 'malformed' | 'too-large';
  /** Says in one sentence, for people, what is wrong. */
  readonly message: string;
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
  /**
   * Why the record has no key, value and headers. A damaged record may stand for its whole record
   * batch. Absent: the record came whole.
   */
  readonly damage?: Damage;
}

/** A record for a broker transaction. */
export interface OutgoingRecord extends LogRecord {
  readonly topic: string;
}

/** An outgoing record with its bytes. The broker copies the bytes, and encodes nothing again. */
export interface EncodedRecord extends OutgoingRecord {
  /** Key, value and headers in the bytes of the log. */
  readonly encoded: Buffer;
}

/** A position in a partition: everything before `nextOffset` is done. */
export interface PartitionOffset extends Partition {
  readonly nextOffset: number;
}

/** The committed offset of a consumer group in one partition. */
export interface GroupPosition extends PartitionOffset {
  readonly group: string;
}
