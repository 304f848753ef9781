import type { ConsumeOptions, GroupConsumer } from '../../src/service-layer/consumer-group.ts';
import { OwnedPartition } from './owned-partition.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { Machine, World } from './world.ts';

interface Member {
  readonly machine: Machine;
  readonly options: ConsumeOptions;
  readonly owned: Map<number, OwnedPartition>;
  readonly givenBack: Set<number>;
  /** The generation that the member works by, which is behind the group's until it hears. */
  generation: number;
  isLeaving: boolean;
  /** When the member's heartbeats come through again. */
  deafUntilMs: number;
  reopen(partition: number): void;
}

/** What the coordinator knows of a partition. */
interface Assignment {
  /** The member that is to own the partition. */
  target: Member | null;
  /** The known owner. A cooperative group waits until the owner has given the partition up. */
  holder: Member | null;
}

const SESSION_TIMEOUT_MS = 6_000;
const HEARTBEAT_MS = 500;
const LONGEST_DEAFNESS_MS = 8_000;
/** How often a member asks whether it may take back what it has given back. */
const MAY_TAKE_RATE = 0.2;

/**
 * The consumer group of the commands: who owns which partition, and who does not know yet that a
 * partition is lost.
 *
 * In a cooperative group, members keep what stays with them. A partition that moves is closed at
 * its former owner before it is assigned. In an eager group, each rebalance moves everything at
 * once, and the former owner may hear of that after the new one. In both, a member that is thrown
 * out hears late.
 */
export class SimulatedGroup {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #isCooperative: boolean;
  readonly #assignments: readonly Assignment[];
  #members: Member[] = [];
  #generation = 0;

  constructor(world: World, log: SimulatedLog, partitions: number) {
    this.#world = world;
    this.#log = log;
    this.#isCooperative = world.chance(0.6);
    this.#assignments = Array.from({ length: partitions }, () => ({ target: null, holder: null }));
  }

  get hasMembers(): boolean {
    return this.#members.length > 0;
  }

  join(machine: Machine, options: ConsumeOptions): GroupConsumer {
    const member: Member = {
      machine,
      options,
      owned: new Map(),
      givenBack: new Set(),
      generation: 0,
      isLeaving: false,
      deafUntilMs: 0,
      reopen: (partition) => {
        if (!member.owned.has(partition)) return;
        this.#letGo(member, [partition]);
        this.#assign(member, partition);
      },
    };
    this.#admit(member);
    this.#beat(member);
    return {
      problem: () => null,
      close: async () => {
        member.isLeaving = true;
        await Promise.all([...member.owned.values()].map((owned) => owned.close()));
        this.#dismiss(member);
      },
    };
  }

  /** Throws out a member that is well, and does not hear of that for a while. */
  expel(machine: Machine): void {
    const member = this.#members.find((each) => each.machine === machine);
    if (!member) return;
    member.deafUntilMs = this.#world.nowMs + this.#world.random() * LONGEST_DEAFNESS_MS;
    this.#dismiss(member);
  }

  /** Dismisses all members. They must join anew. */
  forgetMembers(): void {
    for (const member of this.#members) this.#dismiss(member);
  }

  #admit(member: Member): void {
    this.#members.push(member);
    this.#rebalance();
  }

  #dismiss(member: Member): void {
    if (!this.#members.includes(member)) return;
    this.#members = this.#members.filter((each) => each !== member);
    for (const assignment of this.#assignments)
      if (assignment.holder === member) assignment.holder = null;
    this.#rebalance();
  }

  /** Changes the targets. Each member works on until it hears of them with its next heartbeat. */
  #rebalance(): void {
    this.#generation += 1;
    this.#world.trace(
      `generation ${this.#generation}: ${this.#members.map(({ machine }) => machine.name)}`,
    );
    if (this.#isCooperative) this.#share();
    else
      for (const [partition, assignment] of this.#assignments.entries())
        assignment.target = this.#targetOf(partition);
  }

  /** Returns the member that an eager group gives the partition: another one each time. */
  #targetOf(partition: number): Member | null {
    const willing = this.#willing(partition);
    return willing[(partition + this.#generation) % willing.length] ?? null;
  }

  /** Shares the partitions: a member keeps those that it wants, unless it has too many. */
  #share(): void {
    const quota = Math.ceil(this.#assignments.length / Math.max(1, this.#members.length));
    const counts = new Map<Member, number>();
    const give = (assignment: Assignment, member: Member | null) => {
      assignment.target = member;
      if (member) counts.set(member, (counts.get(member) ?? 0) + 1);
    };
    const open: (readonly [Assignment, number])[] = [];
    for (const [partition, assignment] of this.#assignments.entries()) {
      const { target } = assignment;
      const mayKeep =
        target && this.#willing(partition).includes(target) && (counts.get(target) ?? 0) < quota;
      if (mayKeep) give(assignment, target);
      else open.push([assignment, partition]);
    }
    for (const [assignment, partition] of open) {
      const [least = null] = this.#willing(partition).toSorted(
        (a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0),
      );
      give(assignment, least);
    }
  }

  /** Returns the members that have not given the partition back, or all where all have. */
  #willing(partition: number): readonly Member[] {
    const willing = this.#members.filter(({ givenBack }) => !givenBack.has(partition));
    return willing.length > 0 ? willing : this.#members;
  }

  /** Dismisses a member that is silent for the session timeout. If it wakes up, it joins again. */
  #beat(member: Member, silentMs = 0): void {
    const { machine } = member;
    const afterMs = this.#world.random() * HEARTBEAT_MS;
    this.#world.after(afterMs, () => {
      if (machine.isDead || machine.isFrozen) {
        if (silentMs > SESSION_TIMEOUT_MS) this.#dismiss(member);
        if (!machine.isDead || silentMs <= SESSION_TIMEOUT_MS)
          this.#beat(member, silentMs + afterMs);
        return;
      }
      // While the coordinator moves, nobody hears anything and nobody is dismissed: the sessions
      // start anew.
      const isHeard = this.#world.nowMs >= member.deafUntilMs && !this.#log.outages.has('group');
      if (isHeard) machine.hears(() => this.#answer(member));
      if (!member.isLeaving || this.#members.includes(member)) this.#beat(member);
    });
  }

  #answer(member: Member): void {
    if (member.isLeaving) return;
    if (!this.#members.includes(member)) {
      this.#letGo(member, [...member.owned.keys()]);
      this.#admit(member);
    }
    this.#hearGivenBack(member);
    const isNew = member.generation !== this.#generation;
    member.generation = this.#generation;
    if (this.#isCooperative) this.#cooperate(member);
    else if (isNew) this.#replaceAll(member);
  }

  #replaceAll(member: Member): void {
    this.#letGo(member, [...member.owned.keys()]);
    for (const [partition, assignment] of this.#assignments.entries()) {
      if (assignment.target !== member) continue;
      assignment.holder = member;
      this.#assign(member, partition);
    }
  }

  /** Gives up partitions that go to others, and takes those that others have given up. */
  #cooperate(member: Member): void {
    for (const [partition, owned] of member.owned) {
      const assignment = this.#assignments[partition] as Assignment;
      if (assignment.target === member) continue;
      member.owned.delete(partition);
      const released = () => {
        if (assignment.holder === member && !member.owned.has(partition)) assignment.holder = null;
      };
      void owned
        .close()
        .then(() =>
          this.#world.request(member.machine, `gives up ${partition}`, released).catch(released),
        );
    }
    for (const [partition, assignment] of this.#assignments.entries()) {
      if (assignment.target !== member || assignment.holder !== null) continue;
      assignment.holder = member;
      this.#assign(member, partition);
    }
  }

  #assign(member: Member, partition: number): void {
    member.owned.set(partition, new OwnedPartition(partition, member, this.#world, this.#log));
  }

  #letGo(member: Member, partitions: readonly number[]): void {
    for (const partition of partitions) {
      void member.owned.get(partition)?.close();
      member.owned.delete(partition);
    }
  }

  /** Shares anew when a member owns a partition that it has given back and another may want. */
  #hearGivenBack(member: Member): void {
    const others = this.#members.length > 1;
    for (const partition of member.givenBack) {
      const isOurs = this.#assignments[partition]?.target === member;
      if (isOurs && others && this.#willing(partition).every((each) => each !== member)) {
        this.#rebalance();
        return;
      }
      if (!isOurs && this.#world.chance(MAY_TAKE_RATE)) void this.#askMayTake(member, partition);
    }
  }

  async #askMayTake(member: Member, partition: number): Promise<void> {
    if (await member.options.mayTake?.(partition)) member.givenBack.delete(partition);
  }
}
