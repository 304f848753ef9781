import type { Identity } from '../domain/identity.ts';
import type { IdentifiedCommand, ParkedChanges, ParkedSnapshot } from './parked-command.ts';
import type { EncodedRecord, OutgoingRecord, Partition, PartitionOffset } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** The position of a lane in the database. */
export interface LanePosition {
  /** The offset of the next command to handle. */
  readonly nextOffset: number;
  /** The sequence number of the next outbox record. */
  readonly nextSequence: number;
  /**
   * The leader epoch of the last handled record. Absent: the log has no epochs, or the lane has
   * handled no record since a rebuild.
   */
  readonly leaderEpoch?: number;
  /**
   * The consumer group that the lane works for. Absent: no release that notes its group has opened
   * the lane.
   */
  readonly group?: string;
  /**
   * Identifies one run of one database server. A failover or a restart changes the value. Absent:
   * the database has none.
   */
  readonly timeline?: string;
}

/** The position of a lane, as other lanes see it. */
export interface LaneStanding extends PartitionOffset {
  /**
   * The timestamp of the command at `nextOffset`. Null: the lane has not noted the timestamp,
   * because it has not waited for other lanes at this position.
   */
  readonly nextTimestampMs: number | null;
  /** Whether an operator has paused the lane. Absent: not known. */
  readonly isPaused?: boolean;
}

/** The act of an operator who has paused a lane. */
export interface LanePause {
  readonly by: string;
  /** ISO 8601 in UTC. */
  readonly at: string;
  readonly reason: string;
}

/** What the database knows of a lane that is about to open. */
export interface LaneBinding {
  /** The id of the log that the lane belongs to. */
  readonly logId: string;
  /**
   * Another group that may have published answers of this lane since this group last did. Null:
   * there is no such group.
   */
  readonly formerGroup: string | null;
}

/** A record that answers a command. */
export interface AnswerRecord extends OutgoingRecord {
  readonly sequence: number;
  /** The offset of the command that the record answers. */
  readonly sourceOffset: number;
}

/** A record that waits in the outbox for its broker transaction. */
export type OutboxRecord = AnswerRecord & EncodedRecord;

/** What a lane transaction writes besides the aggregates. */
export interface LaneProgress {
  /** The lane's position after the transaction. */
  readonly next: LanePosition;
  /** The records to put into the outbox. */
  readonly outbox: readonly AnswerRecord[];
  /** Deletes the outbox records of commands below this offset, because they are published. */
  readonly publishedBelowOffset: number;
  /** The positions up to which other lanes must have published before these records go out. */
  readonly restsOn: readonly PartitionOffset[];
}

/** What a lane transaction has committed. */
export interface CommittedProgress extends LaneProgress {
  /** The same records, as the outbox has them now. */
  readonly outbox: readonly OutboxRecord[];
}

/** The records that one lane transaction left to publish. */
export interface WaitingRecords {
  /** Empty: the last commands of the transaction were answered before, and have no new answer. */
  readonly records: readonly OutboxRecord[];
  /** Every command below this offset is answered once these records are published. */
  readonly nextOffset: number;
  /** The positions up to which other lanes must have published before these records go out. */
  readonly restsOn: readonly PartitionOffset[];
}

/**
 * One transaction of one lane. Every method that returns a promise rejects with `TroubleError` if
 * the database cannot be reached. The transaction must then fail.
 */
export interface LaneTransaction extends UnitOfWork {
  /**
   * Notes that this transaction answers these commands.
   *
   * @returns the commands that no other transaction has answered
   */
  claim(commands: readonly Identity[]): Promise<ReadonlySet<Identity>>;
  /**
   * Reads the parked commands of all lanes that matter to these commands. These are about the same
   * products, batches or orders. The failed commands that they wait for are among them.
   *
   * If there are any, no other transaction can park, answer or release a parked command before this
   * one ends. Call this method before `prepare`. Where necessary, `prepare` waits for this method,
   * and then also loads what the last transaction that changed parked commands has written.
   *
   * @param willPark whether the transaction parks a command in any case
   */
  readParked(commands: readonly IdentifiedCommand[], willPark: boolean): Promise<ParkedSnapshot>;
  /** Writes the changes. Takes back what `claim` noted about the commands without an answer. */
  writeParked(changes: ParkedChanges): Promise<void>;
  /**
   * Begins to write the changed aggregates. Call it at most once, and change no aggregate after it.
   * Without this call, the aggregates are written before the commit.
   *
   * @param by the lane of the transaction, with its position after the transaction
   */
  flush(by?: PartitionOffset): Promise<void>;
  /** Lists the lanes that wrote the loaded products last, each with its position at that time. */
  writers(): readonly PartitionOffset[];
}

/**
 * Keeps the lanes in the database. A lane handles one partition of the commands topic.
 *
 * Every method rejects with `TroubleError` if the database cannot be reached. The methods name
 * their other errors.
 */
export interface LaneStore {
  /**
   * Binds the lane to the log, unless the lane belongs to a log already. Notes that the lane works
   * for this group from now on. If the lane belongs to another log, its group stays.
   */
  bind(lane: Partition, logId: string, group: string): Promise<LaneBinding>;
  /**
   * Notes that this group's committed offset covers all published answers, whichever group has
   * published them. The lane then has no former group.
   *
   * @throws {FencedError} the lane works for another group now
   */
  settle(lane: Partition, group: string): Promise<void>;
  /**
   * Tells whether a release before 2026-11-26 may have created the lane. Instances of that release
   * know only their own form of the transactional id.
   */
  hasFormerId(lane: Partition): Promise<boolean>;
  /** Reads the lane's position. An unknown lane has offset 0 and sequence number 1. */
  readPosition(lane: Partition): Promise<LanePosition>;
  /** Reads the next offset of each known lane of the topic, by partition. */
  readPositions(topic: string): Promise<ReadonlyMap<number, number>>;
  /** Reads the standing of each known lane of the topic. */
  readStandings(topic: string): Promise<readonly LaneStanding[]>;
  /**
   * Notes for other lanes when the lane's next command was sent. The note counts while the lane has
   * this position, so nobody must delete it. It survives a crash.
   */
  noteNext(standing: LaneStanding): Promise<void>;
  /**
   * Reads waiting records that answer commands from `fromSourceOffset` on and below
   * `belowSourceOffset`. Returns only the records of the oldest transaction that left any.
   *
   * @returns null: nothing waits from `fromSourceOffset` on
   */
  readOutbox(
    lane: Partition,
    fromSourceOffset: number,
    belowSourceOffset: number,
  ): Promise<WaitingRecords | null>;
  /**
   * Deletes the outbox records of commands below the offset. Records of a transaction that also
   * answered later commands may stay.
   */
  deleteOutbox(lane: Partition, belowSourceOffset: number): Promise<void>;
  /**
   * Deletes like `deleteOutbox`, for an owner that closes. The same transaction proves that the
   * owner still owns the lane.
   *
   * @throws {FencedError} the lane is not at `expected`, because another owner has moved it
   * @throws {FailoverError} another database server has taken over since `expected` was read
   */
  deletePublished(
    lane: Partition,
    expected: LanePosition,
    belowSourceOffset: number,
  ): Promise<void>;
  /**
   * Runs one transaction: locks the lane, runs `work`, writes the changed aggregates and the
   * progress, and commits. If the database undoes the transaction in favour of another one, runs
   * `work` again in a new transaction.
   *
   * @returns the progress that `work` has returned, with each record encoded
   * @throws {FencedError} the lane is not at `expected`, because another owner has moved it
   * @throws {FailoverError} another database server has taken over since `expected` was read
   * @throws {TroubleError} the database cannot be reached. Nothing was changed, or everything if
   * only the answer to the commit was lost
   * @throws what `work` rejects with; nothing was changed
   */
  transaction(
    lane: Partition,
    expected: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<CommittedProgress>;
}
