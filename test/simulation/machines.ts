import { pino } from 'pino';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import type { LaneStore } from '../../src/service-layer/lane-store.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { ParkingLimits } from '../../src/service-layer/parking.ts';
import type { FaultCounts } from './fault-counts.ts';
import { type PlantedBug, plants } from './planted-bugs/planted-bugs.ts';
import type { Parts } from './planted-bugs/planting.ts';
import type { Poison } from './poison.ts';
import { SimulatedBroker } from './simulated-broker.ts';
import type { Flaws, SimulatedServer } from './simulated-database.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { TOPICS } from './topics.ts';
import type { WallClocks } from './wall-clocks.ts';
import { currentMachine, Machine, type World } from './world.ts';

const LONGEST_RESTART_MS = 3_000;
const LONGEST_FREEZE_MS = 15_000;

/** What all machines of a history share. */
interface Shared {
  readonly world: World;
  readonly log: SimulatedLog;
  readonly database: SimulatedServer;
  readonly clocks: WallClocks;
  readonly poison: Poison;
  readonly counts: FaultCounts;
  readonly parkingLimits: ParkingLimits;
  readonly bug: PlantedBug | undefined;
}

/** The machines of a history. Each runs the service's own lanes. */
export class Machines {
  /** When a lane first waited for other lanes in vain. From then on it may reject too early. */
  waitedInVainAt = '~';
  readonly #shared: Shared;
  readonly #all: Machine[] = [];
  readonly #consumers = new Map<Machine, CommandConsumer>();
  #stopping = 0;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  get living(): readonly Machine[] {
    return this.#all.filter(({ isDead }) => !isDead);
  }

  /** What the living machines say is wrong, as `/readyz` would. */
  get problems(): readonly string[] {
    return this.living.flatMap((machine) => this.#consumers.get(machine)?.problems() ?? []);
  }

  get haveStopped(): boolean {
    return this.#stopping === 0;
  }

  /** Starts one more machine. */
  start(): void {
    const { bug, clocks } = this.#shared;
    const machine = new Machine(`machine-${this.#all.length + 1}`);
    clocks.jump(machine);
    this.#all.push(machine);
    const parts = this.#partsOf(machine);
    const consumer = new CommandConsumer(TOPICS.commands, {
      ...(bug ? plants[bug](parts) : parts),
      group: 'group',
      recoveryAdvice: async () => '',
      log: pino({ level: 'silent' }),
    });
    this.#consumers.set(machine, consumer);
    machine.hears(() => void consumer.start());
  }

  /** Tells each machine to stop, in order. */
  stopAll(): void {
    for (const machine of this.living) {
      const consumer = this.#consumers.get(machine);
      if (!consumer) continue;
      this.#consumers.delete(machine);
      this.#stopping += 1;
      const end = () => {
        machine.isDead = true;
        this.#stopping -= 1;
      };
      machine.hears(() => void consumer.close().then(end));
    }
  }

  /** Stops a machine as on SIGTERM. Another fault may still cut that short. */
  leave(machine: Machine): void {
    const consumer = this.#consumers.get(machine);
    this.#consumers.delete(machine);
    if (!consumer) return;
    const end = () => {
      if (!machine.isDead) this.crash(machine);
    };
    machine.hears(() => void consumer.close().then(end));
  }

  /** Kills a machine. Another one starts later. */
  crash(machine: Machine): void {
    const { world, database } = this.#shared;
    machine.isDead = true;
    database.disconnect(machine);
    world.after(world.random() * LONGEST_RESTART_MS, () => this.start());
  }

  freeze(machine: Machine): void {
    const { world } = this.#shared;
    machine.isFrozen = true;
    world.after(world.random() * LONGEST_FREEZE_MS, () => machine.wake());
  }

  wakeAll(): void {
    for (const machine of this.#all) if (machine.isFrozen) machine.wake();
  }

  killAll(): void {
    for (const machine of this.#all) machine.isDead = true;
  }

  #partsOf(machine: Machine): Parts {
    const { world, log, clocks, poison, parkingLimits } = this.#shared;
    return {
      broker: new SimulatedBroker(world, log, machine),
      store: this.#openStore(machine),
      openStore: (flaws: Flaws) => this.#openStore(machine, flaws),
      answerContext: {
        bus: poison.into(new MessageBus({ notifications: { outOfStock: () => {} } })),
        eventsTopic: TOPICS.events,
        deadLettersTopic: TOPICS.deadLetters,
        parkingLimits,
        strictCommands: false,
        clock: () => clocks.read(machine),
        metrics: this.#makeMetrics(),
      },
    };
  }

  #openStore(machine: Machine, flaws: Flaws = {}): LaneStore {
    return new SqlLaneStore(this.#shared.database.connect(machine, flaws), () => {});
  }

  #makeMetrics(): Metrics {
    const { world, counts } = this.#shared;
    const metrics = new Metrics();
    metrics.lanes.countWait = (outcome) => {
      counts.count(`wait for other lanes: ${outcome}`, currentMachine()?.name ?? '');
      const now = new Date(world.nowMs).toISOString();
      if (outcome === 'ran-out' && now < this.waitedInVainAt) this.waitedInVainAt = now;
    };
    return metrics;
  }
}
