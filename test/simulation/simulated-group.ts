import type {
  AssignedPartition,
  ConsumeOptions,
  GroupConsumer,
  Membership,
  PartitionOwner,
  ReceivedRecord,
} from '../../src/service-layer/unit-of-work.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { Machine, World } from './world.ts';

interface Member {
  readonly machine: Machine;
  readonly options: ConsumeOptions;
  owners: OwnedPartition[];
  /** Of the assignment that it works by; behind the group's: it has not heard yet. */
  generation: number;
  isLeaving: boolean;
}

const SESSION_TIMEOUT_MS = 6_000;
const HEARTBEAT_MS = 500;
/** Where there was something there may be more; where there was nothing, Kafka lets a fetch wait. */
const LONGEST_POLL_MS = { afterRecords: 5, afterNothing: 60 };

/** The consumer group of the commands: who has which partition, and who does not know yet that it has lost one. */
export class SimulatedGroup {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #partitions: number;
  #members: Member[] = [];
  #generation = 0;

  constructor(world: World, log: SimulatedLog, partitions: number) {
    this.#world = world;
    this.#log = log;
    this.#partitions = partitions;
  }

  join(machine: Machine, options: ConsumeOptions): GroupConsumer {
    const member: Member = { machine, options, owners: [], generation: 0, isLeaving: false };
    this.#admit(member);
    this.#beat(member);
    return {
      problem: () => null,
      close: async () => {
        member.isLeaving = true;
        await Promise.all(member.owners.map((owner) => owner.close()));
        this.#dismiss(member);
      },
    };
  }

  #admit(member: Member): void {
    this.#members.push(member);
    this.#rebalance();
  }

  #dismiss(member: Member): void {
    if (!this.#members.includes(member)) return;
    this.#members = this.#members.filter((each) => each !== member);
    this.#rebalance();
  }

  /** Each member hears of it with its next heartbeat: until then it works on. */
  #rebalance(): void {
    this.#generation += 1;
    this.#world.trace(`generation ${this.#generation}: ${this.#members.map(({ machine }) => machine.name)}`);
  }

  /** A member that is silent for the session timeout is put out; if it wakes up, it hears that, and joins again. */
  #beat(member: Member, silentMs = 0): void {
    const { machine } = member;
    const afterMs = this.#world.random() * HEARTBEAT_MS;
    this.#world.after(afterMs, () => {
      if (machine.isDead || machine.isFrozen) {
        if (silentMs > SESSION_TIMEOUT_MS) this.#dismiss(member);
        if (!machine.isDead || silentMs <= SESSION_TIMEOUT_MS) this.#beat(member, silentMs + afterMs);
        return;
      }
      machine.hears(() => this.#answer(member));
      if (!member.isLeaving || this.#members.includes(member)) this.#beat(member);
    });
  }

  #answer(member: Member): void {
    if (member.isLeaving || member.generation === this.#generation) return;
    if (!this.#members.includes(member)) this.#admit(member);
    member.generation = this.#generation;
    for (const owner of member.owners) void owner.close();
    const index = this.#members.indexOf(member);
    const mine = Array.from({ length: this.#partitions }, (_, partition) => partition).filter(
      (partition) => (partition + this.#generation) % this.#members.length === index,
    );
    member.owners = mine.map((partition) => new OwnedPartition(partition, member, this.#world, this.#log));
  }
}

/**
 * Fetches for one owner, one delivery at a time. Now and then the same delivery comes again, at once or long after; and what was
 * under way when the owner paused, or resumed elsewhere, may still arrive.
 */
class OwnedPartition implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #machine: Machine;
  readonly #generation: number;
  readonly #owner: PartitionOwner;
  readonly #late: (readonly ReceivedRecord[])[] = [];
  #nextOffset: number | null = null;
  #isClosed = false;

  constructor(partition: number, { machine, options, generation }: Member, world: World, log: SimulatedLog) {
    this.topic = options.topic;
    this.partition = partition;
    this.#world = world;
    this.#log = log;
    this.#machine = machine;
    this.#generation = generation;
    this.#owner = options.assigned(this);
    this.#poll(LONGEST_POLL_MS.afterNothing);
  }

  membership(): Membership {
    return { memberId: this.#machine.name, generation: this.#generation };
  }

  giveBack(): void {}

  pause(): void {
    this.#nextOffset = null;
  }

  resumeFrom(offset: number): void {
    this.#nextOffset = offset;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#owner.close();
  }

  #poll(longestMs: number): void {
    this.#world.after(this.#world.random() * longestMs, () => this.#machine.hears(() => void this.#fetch()));
  }

  async #fetch(): Promise<void> {
    const fromOffset = this.#nextOffset;
    if (this.#isClosed) return;
    let longestMs = LONGEST_POLL_MS.afterNothing;
    if (fromOffset !== null) {
      const records = await this.#world
        .request(this.#machine, `fetches ${this.partition} from ${fromOffset}`, () =>
          this.#log.read(this.topic, this.partition, fromOffset, this.#world.between(1, 12)),
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

  /** Nothing from beyond where the owner wants to go on: no broker would. */
  async #deliver(records: readonly ReceivedRecord[]): Promise<void> {
    const [first] = records;
    if (this.#isClosed || !first || first.offset > (this.#nextOffset ?? Number.POSITIVE_INFINITY)) return;
    await this.#owner.handle(records);
  }
}
