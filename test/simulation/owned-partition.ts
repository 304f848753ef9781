import type {
  AssignedPartition,
  ConsumeOptions,
  Membership,
  PartitionOwner,
  ReceivedRecord,
} from '../../src/service-layer/unit-of-work.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { Machine, World } from './world.ts';

/** Where there was something there may be more; where there was nothing, Kafka lets a fetch wait. */
const LONGEST_POLL_MS = { afterRecords: 5, afterNothing: 60 };

/** The member that owns the partition, as far as the partition needs to know it. */
export interface Holder {
  readonly machine: Machine;
  readonly options: ConsumeOptions;
  readonly generation: number;
  /** Partitions that it does not want. */
  readonly givenBack: Set<number>;
  /** Closes the partition, and assigns it anew: its log is another one than it was. */
  reopen(partition: number): void;
}

/**
 * Fetches for one owner, one delivery at a time. Now and then the same delivery comes again, at once or long after; and what was
 * under way when the owner paused, or resumed elsewhere, may still arrive.
 */
export class OwnedPartition implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #holder: Holder;
  readonly #owner: PartitionOwner;
  readonly #late: (readonly ReceivedRecord[])[] = [];
  readonly #leaderEpoch: number;
  #nextOffset: number | null = null;
  #closed: Promise<void> | null = null;

  constructor(partition: number, holder: Holder, world: World, log: SimulatedLog) {
    this.topic = holder.options.topic;
    this.partition = partition;
    this.#world = world;
    this.#log = log;
    this.#holder = holder;
    this.#leaderEpoch = log.leaderEpoch(this.topic, partition);
    this.#owner = holder.options.assigned(this);
    this.#poll(LONGEST_POLL_MS.afterNothing);
  }

  membership(): Membership {
    return { memberId: this.#holder.machine.name, generation: this.#holder.generation };
  }

  giveBack(): void {
    this.#holder.givenBack.add(this.partition);
  }

  pause(): void {
    this.#nextOffset = null;
  }

  resumeFrom(offset: number): void {
    this.#holder.givenBack.delete(this.partition);
    this.#nextOffset = offset;
  }

  close(): Promise<void> {
    this.#closed ??= this.#owner.close();
    return this.#closed;
  }

  #poll(longestMs: number): void {
    this.#world.after(this.#world.random() * longestMs, () => this.#holder.machine.hears(() => void this.#fetch()));
  }

  async #fetch(): Promise<void> {
    const fromOffset = this.#nextOffset;
    if (this.#closed) return;
    let longestMs = LONGEST_POLL_MS.afterNothing;
    if (this.#isOutOfRange(fromOffset)) {
      this.#holder.reopen(this.partition);
      return;
    }
    if (fromOffset !== null) {
      const records = await this.#world
        .request(this.#holder.machine, `fetches ${this.partition} from ${fromOffset}`, () =>
          this.#log.fetch(this.topic, this.partition, fromOffset, this.#world.between(1, 12)),
        )
        .catch((): ReceivedRecord[] => []);
      const last = records.at(-1);
      if (last && this.#nextOffset === fromOffset) {
        this.#nextOffset = last.offset + 1;
        longestMs = LONGEST_POLL_MS.afterRecords;
        await this.#deliver(records);
        if (this.#world.chance(0.05)) await this.#deliver(records);
        if (this.#world.chance(0.05)) this.#late.push(records);
      } else if (last) this.#late.push(records);
    }
    if (this.#late.length > 0 && this.#world.chance(0.3)) await this.#deliver(this.#late.shift() ?? []);
    this.#poll(longestMs);
  }

  /** The log ends before what comes next: it has lost what was read. */
  #isOutOfRange(nextOffset: number | null): boolean {
    if (nextOffset === null || this.#log.outages.has(`leader of ${this.partition}`)) return false;
    // Also when the log has grown past it again: whoever reads on in another epoch must look again where it stands.
    const isAnother = this.#log.leaderEpoch(this.topic, this.partition) !== this.#leaderEpoch;
    return isAnother || nextOffset > this.#log.partition(this.topic, this.partition).length;
  }

  /** Nothing from beyond where the owner wants to go on: no broker would. */
  async #deliver(records: readonly ReceivedRecord[]): Promise<void> {
    const [first] = records;
    if (this.#closed || !first || first.offset > (this.#nextOffset ?? Number.POSITIVE_INFINITY)) return;
    await this.#owner.handle(records);
  }
}
