import type { ConsumeOptions, GroupConsumer, Subscription } from './consumer-group.ts';
import type { AddressedRecord, GroupPosition, OutgoingRecord, ReceivedRecord } from './records.ts';

/**
 * Publishes in transactions under one transactional id. The broker lets only the newest producer
 * with that id write.
 *
 * After any error of `publish`, the outcome is unknown. Close the producer and open another one,
 * which settles the open transaction.
 */
export interface TransactionalProducer {
  /**
   * Publishes in one broker transaction. Either readers of committed records see all records in
   * order, and the group's committed offset moves, or nothing happens. A record with a key goes to
   * the partition of that key. The bytes of an `EncodedRecord` are copied. Calls must not overlap.
   *
   * @param position the group's next committed offset; null: no group moves
   * @throws {FencedError} a newer producer has the same transactional id
   * @throws {TroubleError} Kafka cannot be reached, or a record is too large for its topic in Kafka
   * @throws {MessageTooLargeError} a record is too large for its topic in the embedded log
   */
  publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void>;
  /** Closes the connections. An open transaction stays open until it is settled. */
  close(): Promise<void>;
  /**
   * Ends the transaction that a `publish` has left open. A reader of committed records would wait
   * for that transaction until the broker ends it. Does nothing after a `publish` that succeeded.
   * Never rejects: if the broker does not answer in time, the transaction stays open.
   */
  settle(): Promise<void>;
}

/** A topic as `ensureTopics` creates it. */
export interface TopicSettings {
  readonly name: string;
  readonly partitions: number;
  /** The largest message that the topic takes, in bytes. */
  readonly maxMessageBytes: number;
  /** Whether the topic keeps its records for ever. Otherwise the broker's retention applies. */
  readonly keepsAll?: boolean;
}

/** The offsets of one partition, from `beginning` up to but without `end`. */
export interface OffsetRange {
  readonly partition: number;
  /** The first offset that the partition still has. */
  readonly beginning: number;
  /** The offset that the next record gets. */
  readonly end: number;
}

/** The end of a leader epoch in a partition. */
export interface EpochEnd {
  /** The newest epoch of the log that is not newer than the epoch in question. */
  readonly leaderEpoch: number;
  /** The offset after the last record of that epoch. */
  readonly offset: number;
}

/** Records of one partition that were read together. */
export interface ReadChunk {
  readonly partition: number;
  readonly records: readonly ReceivedRecord[];
  /**
   * The offset after everything that was read. That includes what readers never see: transaction
   * markers, aborted records and compacted records.
   */
  readonly nextOffset: number;
}

/** Bounds what a tail delivers to somebody who looks at records, and needs not see them all. */
export interface Sampling {
  /** How often the tail looks at a partition from which it has delivered something. */
  readonly everyMs: number;
  /**
   * The most records that it then delivers: the newest. The partitions that have new records share
   * them equally, and each has at least one.
   */
  readonly maxRecords: number;
  /**
   * Called before the first record behind those that the tail leaves out. The offsets that are left
   * out may include transaction markers and aborted records.
   * @param nextOffset where the tail goes on in the partition
   */
  readonly onSkipped: (partition: number, nextOffset: number) => void;
}

/**
 * A partitioned log that can be read again, with consumer groups and transactions: Kafka, or the
 * embedded log. `test/support/broker-contract/` is the compliance suite.
 *
 * Every method but `close` rejects with `TroubleError` if it cannot reach the log, or finds that
 * the topic does not exist. The methods name their other errors.
 */
export interface Broker {
  /**
   * Makes sure that the topics exist. The settings of existing topics stay as they are.
   *
   * @param create whether to create the missing topics
   * @throws {MissingTopicError} a topic is missing, and `create` is false
   */
  ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void>;
  /** Reads the size of the largest message that the topic takes, in bytes. */
  maxMessageBytes(topic: string): Promise<number>;
  /**
   * Appends the records durably, outside any transaction. A partition keeps the order of the
   * records, and the order of calls that wait for each other. After `TroubleError` the records may
   * be in the log. After the other errors they are not.
   *
   * @returns the place of each record, in the order given
   * @throws {MessageTooLargeError} a record is larger than the topic takes
   * @throws {RangeError} a record names a partition that the topic does not have
   */
  publish(
    topic: string,
    records: readonly AddressedRecord[],
  ): Promise<readonly { readonly partition: number; readonly offset: number }[]>;
  /**
   * Takes the transactional id over: fences the former producer, and settles its open transaction.
   *
   * @param signal ends the opening as soon as the signal aborts
   * @throws {TroubleError} the log cannot be reached, or the signal aborts; the former producer may
   * be fenced all the same
   */
  openProducer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer>;
  /**
   * Joins the group. Resolves as soon as this member has its share of the partitions, which may be
   * none. The consumer then survives rebalances and broker failures until it is closed.
   *
   * @throws {FencedError} another process has this member's name in the group
   * @throws {TroubleError} the consumer is closed before it has joined
   */
  consume(options: ConsumeOptions): Promise<GroupConsumer>;
  /**
   * Reads the group's committed offset of each partition. An offset may lag behind a transaction
   * that was committed just now.
   *
   * @param stable the partition whose offset must not lag
   * @returns the offsets by partition (the index of the array); null: the group has none
   * @throws {TroubleError} the answer leaves out a partition, or `stable` stays unsettled
   */
  committedOffsets(
    group: string,
    topic: string,
    stable?: number,
  ): Promise<readonly (number | null)[]>;
  /**
   * Finds where the records of this leader epoch and of earlier epochs end in the partition.
   *
   * The log was truncated if the returned offset is below the offset up to which the caller has
   * read this epoch. The log was also truncated if the returned epoch is an earlier one.
   *
   * @returns null: the log does not know the epoch, or has no epochs
   */
  endOfEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd | null>;
  /** Tells whether compaction may have deleted records between the beginning and the end. */
  isCompacted(topic: string): Promise<boolean>;
  /**
   * Reads the beginning and the end of each partition.
   *
   * @param partitions the partitions to ask for; absent: all. The answer may have others too
   */
  offsetRanges(topic: string, partitions?: readonly number[]): Promise<readonly OffsetRange[]>;
  /**
   * Follows the topic without a group, and calls `onRecord` for each committed record. Resolves as
   * soon as no later record can be missed. The subscription survives broker failures.
   *
   * @param sampling lets the tail leave records out while many come. Absent: it delivers all
   */
  tail(
    topic: string,
    from: 'beginning' | 'end',
    onRecord: (record: ReceivedRecord) => void,
    sampling?: Sampling,
  ): Promise<Subscription>;
  /**
   * Reads every committed record within the ranges, without a group, and hands them to `take` in
   * chunks. Each partition keeps the order of its offsets. The next chunk comes after `take` has
   * resolved. The last chunk of a range has the range's end as its `nextOffset`. If the topic no
   * longer has the beginning of a range, reading begins where the topic does. Resolves at the ends
   * of all ranges.
   *
   * @param signal ends the reading with the signal's reason, but never while `take` works
   * @throws what `take` rejects with, at once
   * @throws {TroubleError} the log cannot be reached, a range ends beyond the log, retention
   * overtakes the reading, or a transaction within a range stays open
   */
  read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: (chunk: ReadChunk) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Returns the id of the topic's log, which is the same for every client and never changes.
   * Offsets have a meaning only within one log. A topic that was deleted and created again is
   * another log.
   */
  logId(topic: string): Promise<string>;
  /** Closes all consumers and tails, and then the connections. */
  close(): Promise<void>;
}
