import type { ConsumeOptions, GroupConsumer, Subscription } from './consumer-group.ts';
import type { AddressedRecord, GroupPosition, OutgoingRecord, ReceivedRecord } from './records.ts';

/**
 * Publishes in transactions under one transactional id, of which the broker lets only the newest holder write.
 * After any error the outcome is unknown: close it, and open a new one, which settles what the old one left behind.
 */
export interface TransactionalProducer {
  /**
   * One broker transaction: `read_committed` consumers see all records, in order, and the group's position moves; or none of it.
   * Keyed records go to the key's partition; calls must not overlap.
   * @throws {FencedError} another holder has opened a producer with the same transactional id
   */
  publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void>;
  close(): Promise<void>;
}

export interface TopicSettings {
  readonly name: string;
  readonly partitions: number;
  readonly maxMessageBytes: number;
}

export interface OffsetRange {
  readonly partition: number;
  /** First offset that is still there. */
  readonly beginning: number;
  /** The offset that the next record will get. */
  readonly end: number;
}

/** Where the records of a leader epoch, and of those before it, end in a partition. */
export interface EpochEnd {
  /** The last one that the log has, up to the one that was asked for. */
  readonly leaderEpoch: number;
  readonly offset: number;
}

/** Records of one partition that were read together. */
export interface Delivery {
  readonly partition: number;
  readonly records: readonly ReceivedRecord[];
  /** The offset after what was read, what no reader sees (markers of transactions, aborted records, compacted ones) included. */
  readonly nextOffset: number;
}

/** A partitioned, replayable log with consumer groups and transactions: Kafka, or the embedded one. */
export interface Broker {
  /**
   * Makes sure the topics are there.
   * @throws {MissingTopicError} a topic is missing and `create` is false
   */
  ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void>;
  /** The largest message, in bytes, that the topic takes. */
  maxMessageBytes(topic: string): Promise<number>;
  /**
   * Appends durably, outside any transaction. Resolves to each record's place, in the order given.
   * A partition keeps that order, and the order of calls that wait for one another.
   * @throws {RangeError} a record is larger than the topic takes, or names a partition that the topic does not have
   */
  publish(
    topic: string,
    records: readonly AddressedRecord[],
  ): Promise<readonly { readonly partition: number; readonly offset: number }[]>;
  /**
   * Takes the transactional id over: fences the former holder and settles its open transaction.
   * @param signal when it aborts, the opening ends at once
   * @throws {TroubleError} the log cannot be reached, or the signal aborts; the former holder may be fenced all the same
   */
  openProducer(transactionalId: string, signal?: AbortSignal): Promise<TransactionalProducer>;
  /**
   * Joins the group. Resolves when this member has its share of the partitions, which may be none.
   * The consumer lasts, across rebalances and broker failures, until closed.
   */
  consume(options: ConsumeOptions): Promise<GroupConsumer>;
  /**
   * The group's committed offset per partition (the array's index); null: none. An offset may lag behind a transaction
   * that was committed just now.
   * @param stable the partition whose offset does not lag
   * @throws {TroubleError} the answer leaves out a partition, or the stable one stays unsettled
   */
  committedOffsets(
    group: string,
    topic: string,
    stable?: number,
  ): Promise<readonly (number | null)[]>;
  /**
   * Where the records of that leader epoch, and of those before it, end in the partition. Null: the log does not know.
   * Below an offset that was read in that epoch, or of an earlier epoch: the log was truncated since.
   */
  endOfEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd | null>;
  /** Whether the topic may have lost records in its middle, which its beginning does not show. */
  isCompacted(topic: string): Promise<boolean>;
  /** @param partitions only these are asked for, if given: the answer may have others too */
  offsetRanges(topic: string, partitions?: readonly number[]): Promise<readonly OffsetRange[]>;
  /** Delivers every committed record of the topic, from its beginning or its end on, to this caller alone. */
  tail(
    topic: string,
    from: 'beginning' | 'end',
    onRecord: (record: ReceivedRecord) => void,
  ): Promise<Subscription>;
  /**
   * Hands over every committed record of the topic within the ranges (from `beginning` up to `end`, exclusive), each partition's in the
   * order of its offsets, one delivery at a time: the next comes when `take` has resolved. A range's last delivery has its end as
   * `nextOffset`. Touches no group. Resolves at the ends of all ranges; a range that begins before what the topic still has begins where
   * the topic does. Rejects with what `take` rejects with, at once; with the signal's reason once it aborts, but never while `take` works.
   * @throws {TroubleError} the log cannot be reached, a range ends beyond it, retention overtakes the
   * reading, or a transaction within a range stays open
   */
  read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: (delivery: Delivery) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Which log the topic is, the same for every client and for ever: offsets mean something only within it. A topic that is deleted and
   * created again is another log.
   * @throws {TroubleError} it cannot be reached, or is not there
   */
  logId(topic: string): Promise<string>;
  close(): Promise<void>;
}
