import type { Command } from '../domain/commands.ts';
import type { Identity } from '../domain/identity.ts';
import type { Product } from '../domain/model.ts';

/** Loads aggregates by what commands name, and remembers new ones until the unit of work commits. */
export interface ProductRepository {
  add(product: Product): void;
  get(sku: string): Promise<Product | null>;
  /** The product that the batch `reference` belongs to. */
  getByBatchReference(reference: string): Promise<Product | null>;
  /** Every product on which the order has an allocated line, by sku; of a huge order more than `MAX_LINES_LET_GO`. */
  getByOrder(orderid: string): Promise<readonly Product[]>;
}

/** One transaction: what is done through it becomes true at once, or not at all. */
export interface UnitOfWork {
  readonly products: ProductRepository;
  /**
   * Loads, with a bounded number of queries, whatever these commands need; later `get…` calls find it in memory.
   * @throws {TooMuchAtOnceError} they are several, and need too much together
   */
  prepare(commands: readonly Command[]): Promise<void>;
  /** Runs `work` once the transaction has committed. Its failure is logged and undoes nothing. */
  afterCommit(work: () => void | Promise<void>): void;
}

/** People who want to know that stock ran out. */
export interface Notifications {
  outOfStock(line: {
    readonly orderid: string;
    readonly sku: string;
    readonly qty: number;
  }): void | Promise<void>;
}

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

/** What a group knows a member by. */
export interface Membership {
  readonly memberId: string;
  /** Rises with each rebalance. */
  readonly generation: number;
}

/** A partition that the consumer group has assigned to this member. It starts paused. */
export interface AssignedPartition extends Partition {
  /** The membership as it is now. Null: the log has no members with generations. */
  membership(): Membership | null;
  /**
   * Asks the group to give the partition to a member that has not given it back. Without one it
   * stays here. Holds until the owner calls `resumeFrom`, or `mayTake` says yes.
   */
  giveBack(): void;
  /** Nothing more is delivered until `resumeFrom`; a delivery under way may still arrive. */
  pause(): void;
  /**
   * Delivers from `offset` on. What was fetched before the call may still arrive first, but nothing that begins beyond `offset`: it
   * would be taken for what comes next.
   * @param leaderEpoch that of the last record before `offset`, where it is known. By it a log is noticed that was truncated below
   * `offset` and has grown again: nothing of it is delivered, and the partition gets a new owner.
   */
  resumeFrom(offset: number, leaderEpoch?: number): void;
}

/** What takes in the records of one assigned partition. */
export interface PartitionOwner {
  /** Called for one delivery at a time, in offset order; resolves when the next one may come. Never rejects: an owner in trouble pauses its partition and resumes it from where it stands. */
  handle(records: readonly ReceivedRecord[]): Promise<void>;
  /** The partition goes to somebody else, or the consumer stops. Resolves when the owner will touch nothing any more. Never rejects. */
  close(): Promise<void>;
}

export interface ConsumeOptions {
  readonly topic: string;
  readonly group: string;
  /** Called for each partition that is newly assigned, after its former owner here has been told to close. */
  readonly assigned: (partition: AssignedPartition) => PartitionOwner;
  /** Told at once of the consumer, which has not joined yet: it can be asked why. */
  readonly joining?: (consumer: GroupConsumer) => void;
  /** Asked now and then about a partition that was given back and went to another member. Never rejects. */
  readonly mayTake?: (partition: number) => Promise<boolean>;
  /** Told when another process has this consumer's name in the group: this one never works again. */
  readonly fenced?: (reason: Error) => void;
  /**
   * What the assigned partitions may hold together: two deliveries each. A single record may be
   * larger than its share. Absent: each partition takes as much as is good for it.
   */
  readonly maxFetchedBytes?: number;
}

/** A running consumer or tail. */
export interface Subscription {
  /** Closes the owners, leaves the group, resolves when nothing is delivered any more. */
  close(): Promise<void>;
}

/** A member of a consumer group. */
export interface GroupConsumer extends Subscription {
  /** Why it has no assignment, once that has lasted longer than a rebalance may; null: all is well. */
  problem(): string | null;
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

/** Another process has taken this lane over. */
export class FencedError extends Error {
  readonly code = 'fenced';
}

/**
 * The database is another server's by now, or its server has started again. It may not have all
 * that was committed before.
 */
export class FailoverError extends FencedError {
  /** Where the database is now, as `LanePosition.timeline` tells. */
  readonly timeline: string | undefined;

  constructor(message: string, timeline: string | undefined) {
    super(message);
    this.timeline = timeline;
  }
}

/** Database or broker trouble: nothing is wrong with the message, and trying again later is right. */
export class TroubleError extends Error {
  readonly code = 'trouble';
}

/** Several commands together take more memory than one transaction may: fewer of them must share one. */
export class TooMuchAtOnceError extends Error {
  readonly code = 'too-much-at-once';
}

export class MissingTopicError extends Error {
  readonly code = 'missing-topic';
}

/** Where a lane stands in the database: the offset of its next command, and the sequence number of its next outbox record. */
export interface LanePosition {
  readonly nextOffset: number;
  readonly nextSequence: number;
  /** The leader epoch of the last handled record. Absent: the log has none, or no record was handled since a rebuild. */
  readonly leaderEpoch?: number;
  /** The consumer group that the lane works for. Absent: no service that names its group has opened the lane. */
  readonly group?: string;
  /**
   * Changes when another database server takes over, and when the server starts again. Absent: the
   * database does not tell.
   */
  readonly timeline?: string;
}

/** How far a lane has come with deciding, as other lanes see it. */
export interface LaneStanding extends PartitionOffset {
  /**
   * The timestamp of the command that the lane is to decide next. Null: the lane has not said it,
   * because it has not waited for other lanes there.
   */
  readonly nextTimestampMs: number | null;
}

/** What the database knows of a lane that is about to be opened. */
export interface LaneClaim {
  /** The log that the lane belongs to. */
  readonly logId: string;
  /** Another group that may have published answers of this lane since this group last did. Null: there is none. */
  readonly formerGroup: string | null;
}

/** A record that waits for its broker transaction. `sourceOffset`: the command that it answers. */
export interface OutboxRecord extends OutgoingRecord {
  readonly sequence: number;
  readonly sourceOffset: number;
}

/** What one lane transaction adds to the database, besides the changes to its aggregates. */
export interface LaneProgress {
  readonly next: LanePosition;
  readonly outbox: readonly OutboxRecord[];
  /** Outbox records of commands below this offset are out: this transaction deletes them. */
  readonly publishedBelowOffset: number;
  /** What must be out before these records. */
  readonly restsOn: readonly PartitionOffset[];
}

/** What one lane transaction left to publish. */
export interface WaitingRecords {
  /** None, when the last commands of the transaction had no answer: they were answered before. */
  readonly records: readonly OutboxRecord[];
  /** With these records, every command below is answered. */
  readonly nextOffset: number;
  /** What must be out before. */
  readonly restsOn: readonly PartitionOffset[];
}

/** A command on which a handler failed, or one that must not overtake such a one. */
export interface ParkedCommand {
  readonly id: Identity;
  /** The products, batches and orders that it is about. */
  readonly subjects: readonly string[];
  /** The failed commands that it waits for; empty: it is one itself. */
  readonly behind: readonly Identity[];
  /** Of two with a subject in common the lower goes first. */
  readonly position: number;
  /** An operator has sent it again, and it has not arrived yet. */
  readonly isRedriven: boolean;
}

/** What a transaction must know of parked commands. */
export interface Parked {
  /** Those that matter to it, in the order of their positions. */
  readonly commands: readonly ParkedCommand[];
  /** The highest position of any parked command. 0 means that nothing is parked. */
  readonly lastPosition: number;
  /** How many commands are parked in all, without those that an operator has sent again. */
  readonly standing: number;
}

/** A command, and what it is known by. */
export interface IdentifiedCommand {
  readonly identity: Identity;
  readonly command: Command;
}

export interface ParkedChanges {
  /** New, or to be replaced. They have no answer yet. */
  readonly parked: readonly ParkedCommand[];
  /** Those that have been answered, or are parked under another identity. */
  readonly gone: readonly Identity[];
  /** What the parked commands were claimed as: they are not answered. */
  readonly unanswered: readonly Identity[];
}

export interface LaneTransaction extends UnitOfWork {
  /** Notes that this transaction answers these commands. @returns those that no other has answered before */
  claim(commands: readonly Identity[]): Promise<ReadonlySet<Identity>>;
  /**
   * The parked commands, of any lane, that matter to these commands: about the same products, batches
   * or orders, and the failed ones that those wait for. If there are any, no other transaction parks,
   * answers or releases a parked command before this one has ended. Call it before `prepare`, which
   * waits for it where that matters: what the last such transaction has made known is then loaded.
   * @param willPark the transaction parks something in any case
   */
  readParked(commands: readonly IdentifiedCommand[], willPark: boolean): Promise<Parked>;
  /** Notes what is parked and what is not any more; takes back what `claim` noted of the unanswered ones. */
  writeParked(changes: ParkedChanges): Promise<void>;
  /**
   * Begins to write what the aggregates have become, once: they do not change any more. Without it, it is done before the commit.
   * @param by the lane whose transaction it is, and how far it will have come
   */
  flush(by?: PartitionOffset): Promise<void>;
  /** The lanes, each with how far it had come, that had written the loaded products before. */
  writers(): readonly PartitionOffset[];
}

/** What a lane, one partition of the commands topic, keeps in the database. */
export interface LaneStore {
  /**
   * Notes which log the lane belongs to, the first time, and that it works for this group from now on. If the lane belongs
   * to another log, its group stays.
   */
  claim(lane: Partition, logId: string, group: string): Promise<LaneClaim>;
  /**
   * Notes that the group's committed offset says what was published, whichever group published it.
   * @throws {FencedError} the lane works for another group by now
   */
  settle(lane: Partition, group: string): Promise<void>;
  /** Whether a release before 2026-11-26 may have made the lane: its instances know no other transactional id than theirs. */
  hasFormerId(lane: Partition): Promise<boolean>;
  /** A lane never seen before stands at offset 0, sequence 1. */
  readPosition(lane: Partition): Promise<LanePosition>;
  /** The offset at which each lane of the topic stands that was ever seen, by partition. */
  readPositions(topic: string): Promise<ReadonlyMap<number, number>>;
  /** Where each lane of the topic stands that was ever seen. */
  readStandings(topic: string): Promise<readonly LaneStanding[]>;
  /**
   * Notes for other lanes when the command at which the lane stands was sent. The note counts while
   * the lane stands there, so nobody has to take it back, and it outlives a crash.
   */
  noteNext(standing: LaneStanding): Promise<void>;
  /** Waiting records that answer commands from one offset up to another (exclusive): those of the oldest transaction that left any. */
  readOutbox(
    lane: Partition,
    fromSourceOffset: number,
    belowSourceOffset: number,
  ): Promise<WaitingRecords | null>;
  /** Forgets what answers commands below the offset; together with later ones of the same transaction it may stay. */
  deleteOutbox(lane: Partition, belowSourceOffset: number): Promise<void>;
  /**
   * The same for an owner that stops, in one transaction with the proof that it still is the owner.
   * @throws {FencedError} the lane does not stand at `expected`: another owner has moved it
   */
  deletePublished(
    lane: Partition,
    expected: LanePosition,
    belowSourceOffset: number,
  ): Promise<void>;
  /**
   * One transaction: locks the lane, runs `work`, writes the aggregates it changed and the progress it returns, commits.
   * Runs `work` again, in a new transaction, when the database has undone the first for the sake of another one.
   * @returns that progress
   * @throws {FencedError} the lane does not stand at `expected`: another owner has moved it
   * @throws {FailoverError} another database server has taken over since `expected` was read
   * @throws {TroubleError} the database cannot do it now; nothing was changed, or (a commit whose answer was lost) all of it
   */
  transaction(
    lane: Partition,
    expected: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<LaneProgress>;
}
