import type { Identity } from '../domain/identity.ts';
import type { IdentifiedCommand, Parked, ParkedChanges } from './parked-command.ts';
import type { OutgoingRecord, Partition, PartitionOffset } from './records.ts';
import type { UnitOfWork } from './unit-of-work.ts';

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
