import type { Partition, ReceivedRecord } from './records.ts';

/** Identifies a member of a consumer group. */
export interface Membership {
  readonly memberId: string;
  /** Rises with each rebalance. */
  readonly generation: number;
}

/** What an owner knows of the log up to the offset from which it reads on. */
export interface KnownLog {
  /** The log that the owner has checked. Absent: the owner reads whatever has the topic's name. */
  readonly logId?: string | undefined;
  /**
   * The epoch of the last record before the offset. With it the consumer notices a log that was
   * truncated below the offset and has grown again.
   */
  readonly leaderEpoch?: number | undefined;
}

/** A partition that the consumer group has assigned to this member. The partition starts paused. */
export interface AssignedPartition extends Partition {
  /** Returns the current membership; null: the log's groups have no members with generations. */
  membership(): Membership | null;
  /**
   * Asks the group to give the partition to a member that has not given it back. If there is no
   * such member, the partition stays here. The request holds until the owner calls `resumeFrom`, or
   * `mayTake` resolves to true.
   */
  giveBack(): void;
  /** Stops the deliveries until `resumeFrom`. A delivery that is under way may still arrive. */
  pause(): void;
  /**
   * Delivers records from `offset` on. A delivery that was fetched before the call may still arrive
   * first. No delivery begins beyond `offset`, because its owner would miss the records between.
   *
   * If the log does not continue what the owner knows of it, the consumer delivers nothing more to
   * this owner, and gives the partition a new owner.
   */
  resumeFrom(offset: number, known?: KnownLog): void;
}

/** Takes the records of one assigned partition. */
export interface PartitionOwner {
  /**
   * Takes one delivery. Deliveries come one at a time, in the order of their offsets. The next one
   * comes after this promise has resolved. Never rejects: an owner in trouble pauses its partition,
   * and later resumes from its position.
   */
  handle(records: readonly ReceivedRecord[]): Promise<void>;
  /**
   * Ends this owner, because another member gets the partition or the consumer closes. Resolves
   * when the owner touches nothing any more. Never rejects.
   */
  close(): Promise<void>;
}

/** The options of `Broker.consume`. */
export interface ConsumeOptions {
  readonly topic: string;
  readonly group: string;
  /** Opens the owner of a newly assigned partition. Its former owner here was told to close. */
  readonly openOwner: (partition: AssignedPartition) => PartitionOwner;
  /** Receives the consumer before it has joined, so that `problem()` can say why it waits. */
  readonly onJoining?: (consumer: GroupConsumer) => void;
  /**
   * Tells whether this member may take a partition that it gave back and another member has. The
   * consumer asks now and then. Never rejects.
   */
  readonly mayTake?: (partition: number) => Promise<boolean>;
  /** Called each time that the group has assigned this member its partitions. Kafka only. */
  readonly onRebalance?: () => void;
  /**
   * Receives a `FencedError` if another process has this consumer's name in the group. This
   * consumer then never works again.
   */
  readonly onFenced?: (reason: Error) => void;
  /**
   * Receives the reason why this member has no partitions while another member has all of them;
   * null: this member has the partitions now. Only the embedded log calls this function, because
   * Kafka shares the partitions among the members.
   */
  readonly onStandBy?: (why: string | null) => void;
  /**
   * The memory, in bytes, for the fetched records of all assigned partitions. Each partition has
   * two deliveries in memory. A single record may be larger than its share. Absent: the log's own
   * limit.
   */
  readonly maxFetchedBytes?: number;
}

/** A consumer or a tail that runs until it is closed. */
export interface Subscription {
  /** Closes the owners and leaves the group. Resolves when nothing is delivered any more. */
  close(): Promise<void>;
}

/** A member of a consumer group, as the group itself knows it. */
export interface MemberView {
  /** The name of a static member, or else the id that the group has given to the member. */
  readonly instance: string;
  /** The address of the member's process. */
  readonly host: string;
  /** The partitions that the group has assigned to the member, in ascending order. */
  readonly partitions: readonly number[];
  /** Whether this consumer is that member. */
  readonly isThis: boolean;
}

/** A member of a consumer group. */
export interface GroupConsumer extends Subscription {
  /**
   * Says why the member has no assignment, if that has lasted longer than a rebalance may.
   *
   * @returns one sentence; null: there is no problem
   */
  problem(): string | null;
  /**
   * Asks for the members of the group. Absent: the log lets one process work at a time, and knows
   * no others.
   *
   * @throws {TroubleError} the log cannot be reached, or refuses
   */
  members?(): Promise<readonly MemberView[]>;
}
