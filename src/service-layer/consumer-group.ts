import type { Partition, ReceivedRecord } from './records.ts';

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
