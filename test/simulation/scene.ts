import { ClusterFaults, LONGEST_OUTAGE_MS } from './cluster-faults.ts';
import type { FaultCounts } from './fault-counts.ts';
import { FaultTraps } from './fault-traps.ts';
import type { LiveReader } from './live-reader.ts';
import { MachineFaults } from './machine-faults.ts';
import { Machines } from './machines.ts';
import { Operator } from './operator.ts';
import type { PlantedBug } from './planted-bugs/planted-bugs.ts';
import { Poison } from './poison.ts';
import type { SimulatedServer } from './simulated-database.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { PARTITION_INDEXES, TOPICS } from './topics.ts';
import { WallClocks } from './wall-clocks.ts';
import type { World } from './world.ts';

/** How long commands come. */
export const TRAFFIC_MS = 12_000;
/** How many records 120 commands take at most: each redrive of all may answer only one. */
const MOST_COMMANDS = 7_200;
/** How long faults happen. With poison, commands must also fail, be mended and sent again. */
const TROUBLED_MS = { usually: TRAFFIC_MS, withPoison: 24_000 };
/** With the small limits, lanes wait until somebody redrives or discards. */
const PARKED_LIMITS = [1, 5, 1_000];
const EARLY_TRUNCATION_RATE = 0.2;
/** Host and broker may go down together. */
const JOINT_FAULT_RATE = 0.4;
const LOOK_MS = 150;

/** The machines of a history, and everything that befalls them. */
export class Scene {
  readonly log: SimulatedLog;
  readonly database: SimulatedServer;
  readonly clocks: WallClocks;
  readonly poison: Poison;
  readonly cluster: ClusterFaults;
  readonly operator: Operator;
  readonly machines: Machines;
  readonly counts: FaultCounts;
  readonly #world: World;
  readonly #reader: LiveReader;
  readonly #machineFaults: MachineFaults;
  readonly #traps: FaultTraps;

  constructor(
    world: World,
    log: SimulatedLog,
    database: SimulatedServer,
    reader: LiveReader,
    counts: FaultCounts,
    bug: PlantedBug | undefined,
  ) {
    this.#world = world;
    this.log = log;
    this.database = database;
    this.#reader = reader;
    this.counts = counts;
    this.clocks = new WallClocks(world);
    this.poison = new Poison(world);
    this.cluster = new ClusterFaults(world, log, TOPICS, {
      mayLoseCommands: !this.poison.isThere,
      happens: (fault) => counts.count(fault, 'the cluster'),
      forgets: (partitions) => reader.forgotten(partitions),
      leave: () => {
        for (const machine of this.machines.living) this.machines.leave(machine);
      },
    });
    const ofProduct = world.pick(PARKED_LIMITS);
    const parkingLimits = { ofProduct, inAll: 2 * ofProduct };
    this.operator = new Operator(world, log, database, TOPICS);
    const { clocks, poison } = this;
    const shared = { world, log, database, clocks, poison, counts, parkingLimits, bug };
    this.machines = new Machines(shared);
    this.#machineFaults = new MachineFaults(this.machines, shared);
    this.#traps = new FaultTraps(world, this.machines, counts);
  }

  get troubledMs(): number {
    return this.poison.isThere ? TROUBLED_MS.withPoison : TROUBLED_MS.usually;
  }

  /** Decides which faults happen, and when. */
  makeTrouble(): void {
    const world = this.#world;
    // Somebody must see a command fail before anybody can send it again.
    world.after(this.poison.isThere ? world.random() * TRAFFIC_MS : 0, () => {
      world.isTroubled = true;
    });
    this.#traps.set();
    this.#repeat(world.between(1, this.poison.isThere ? 12 : 8), () =>
      this.#machineFaults.befall(),
    );
    if (this.poison.isThere) {
      world.after((0.3 + world.random()) * this.troubledMs, () => this.poison.mend());
      world.after(world.random() * this.troubledMs, () => this.operator.work());
    }
    this.#repeat(world.between(0, 5), () => {
      this.cluster.befall();
      if (world.chance(JOINT_FAULT_RATE))
        world.after(world.random() * LONGEST_OUTAGE_MS, () => this.#machineFaults.befall());
    });
    // This is early enough that later records grow past the lost ones.
    if (world.chance(EARLY_TRUNCATION_RATE))
      world.after(world.random() * 0.6 * TRAFFIC_MS, () => this.cluster.befall('truncation'));
    this.#lookAgain();
    this.#repeat(world.between(0, 4), () => this.#machineFaults.jump());
  }

  /** Lets something happen that often, each time at a moment that chance chooses. */
  #repeat(times: number, happen: () => void): void {
    for (let count = times; count > 0; count -= 1)
      this.#world.after(this.#world.random() * this.troubledMs, happen);
  }

  endTrouble(): void {
    this.#traps.disarm();
    this.#world.isTroubled = false;
    this.log.outages.end();
    this.machines.wakeAll();
  }

  /** Ends the history, whatever is still under way. */
  end(): void {
    this.#traps.remove();
    this.operator.end();
    this.machines.killAll();
  }

  /** Reads along, as a consumer of the events does. */
  look(): void {
    this.#reader.look();
  }

  #lookAgain(): void {
    this.look();
    this.#world.after(LOOK_MS * (0.5 + this.#world.random()), () => this.#lookAgain());
  }

  /** Says whether the lane whose log has lost records that were read waits for a person. */
  refuses(): boolean {
    const { truncation } = this.cluster;
    if (!truncation) return false;
    return this.machines.problems.some(
      (problem) => problem.includes(`/${truncation.partition}`) && problem.includes('truncated'),
    );
  }

  /** Says whether every command is answered or discarded, and the group has committed that. */
  isAtRest(): boolean {
    const isHandled = PARTITION_INDEXES.every(
      (partition) => this.#committed(partition) >= this.#end(partition),
    );
    return isHandled && (!this.poison.isThere || this.operator.hasNothingToDo());
  }

  /** Says whether the same commands are sent again and again, and never answered. */
  goesRoundInCircles(): boolean {
    const lengths = PARTITION_INDEXES.map(
      (partition) => this.log.partition(TOPICS.commands, partition).length,
    );
    return lengths.reduce((sum, length) => sum + length, 0) > MOST_COMMANDS;
  }

  /** Says in words where the group stands, and what the machines say is wrong. */
  positions(): string {
    const lanes = PARTITION_INDEXES.map(
      (lane) => `${lane}: ${this.#committed(lane)} of ${this.#end(lane)}`,
    );
    const waiting = `the dead letters wait: ${!this.operator.hasNothingToDo()}`;
    const problems = new Set(this.machines.problems);
    return [`the group stands at ${lanes.join(', ')}`, waiting, ...problems].join('; ');
  }

  #committed(partition: number): number {
    return this.log.offsets.committed.get(partition) ?? 0;
  }

  #end(partition: number): number {
    return this.log.partition(TOPICS.commands, partition).end;
  }
}
