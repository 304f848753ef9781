import type { EpochEnd } from '../../src/service-layer/broker.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import { GroupOffsets } from './group-offsets.ts';
import { LogPartition } from './log-partition.ts';
import { Outages } from './outages.ts';
import { SimulatedGroup } from './simulated-group.ts';
import { type OnCommit, SimulatedTransactions } from './simulated-transactions.ts';
import type { World } from './world.ts';

/**
 * Kafka, as far as the service relies on it: logs, transactions with epochs and markers, groups.
 * The log keeps what it acknowledges until a fault makes it forget: retention, offsets that expire,
 * or a new leader that had not copied everything.
 */
export class SimulatedLog {
  readonly outages: Outages;
  readonly group: SimulatedGroup;
  readonly offsets: GroupOffsets;
  readonly transactions: SimulatedTransactions;
  /** How many partitions each topic has. */
  readonly partitions: number;
  /** By topic, where it differs from the limit of other topics. */
  readonly maxMessageBytes = new Map<string, number>();
  readonly #world: World;
  readonly #topics: ReadonlyMap<string, readonly LogPartition[]>;

  constructor(world: World, topics: readonly string[], partitions: number, onCommit: OnCommit) {
    this.#world = world;
    this.partitions = partitions;
    this.outages = new Outages(world);
    this.group = new SimulatedGroup(world, this, partitions);
    this.offsets = new GroupOffsets(world, this.outages, partitions);
    this.transactions = new SimulatedTransactions(world, this, onCommit);
    this.#topics = new Map(
      topics.map((topic) => [
        topic,
        Array.from(
          { length: partitions },
          (_, partition) => new LogPartition(world, topic, partition),
        ),
      ]),
    );
  }

  /** @throws {TroubleError} there is no such partition */
  partition(topic: string, partition: number): LogPartition {
    const log = this.#topics.get(topic)?.[partition];
    if (!log) throw new TroubleError(`There is no ${topic}/${partition}`);
    return log;
  }

  /** Returns the partition for a record that names none. */
  partitionOf({ key }: LogRecord): number {
    if (key === null) return this.#world.between(0, this.partitions - 1);
    return (
      [...String(key)].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) %
      this.partitions
    );
  }

  /** Returns what a `read_committed` client gets. @throws {TroubleError} the leader is moving */
  fetch(
    topic: string,
    partition: number,
    fromOffset: number,
    atMost = Number.POSITIVE_INFINITY,
  ): ReceivedRecord[] {
    this.outages.ask(`leader of ${partition}`);
    return this.partition(topic, partition).fetch(fromOffset, atMost);
  }

  /**
   * Returns where the records of a leader epoch end.
   * @throws {TroubleError} the leader is moving
   */
  endOfEpoch(topic: string, partition: number, leaderEpoch: number): EpochEnd {
    this.outages.ask(`leader of ${partition}`);
    return this.partition(topic, partition).endOfEpoch(leaderEpoch);
  }

  /** Lets another broker lead the partition of each topic. */
  electLeader(partition: number): void {
    for (const logs of this.#topics.values()) (logs[partition] as LogPartition).electLeader();
  }

  /**
   * Loses the group's offsets: they have expired, or the partition that held them is lost. The
   * members are lost too, and join anew as soon as they hear of that.
   */
  forgetOffsets(): void {
    this.offsets.forget();
    this.group.forgetMembers();
  }
}
