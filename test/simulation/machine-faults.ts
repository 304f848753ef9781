import type { FaultCounts } from './fault-counts.ts';
import type { Machines } from './machines.ts';
import type { SimulatedServer } from './simulated-database.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { WallClocks } from './wall-clocks.ts';
import type { Machine, World } from './world.ts';

/** What may befall a machine. An entry that is there twice is twice as likely. */
const FAULTS = [
  ...['crash', 'crash', 'freeze', 'freeze'],
  ...['leaving machine', 'lost database connection', 'joining machine', 'expelled machine'],
] as const;

const FAULTS_ON_POSTGRES = [
  ...FAULTS,
  'silent database connections',
  'silent database connections',
] as const;

interface Shared {
  readonly world: World;
  readonly log: SimulatedLog;
  readonly database: SimulatedServer;
  readonly clocks: WallClocks;
  readonly counts: FaultCounts;
}

/** Lets something befall one of the living machines. */
export class MachineFaults {
  readonly #machines: Machines;
  readonly #shared: Shared;

  constructor(machines: Machines, shared: Shared) {
    this.#machines = machines;
    this.#shared = shared;
  }

  /** Lets a fault that chance chooses befall a machine that chance chooses. */
  befall(): void {
    const { world, log, database, counts } = this.#shared;
    const machine = this.#anyMachine();
    if (!machine) return;
    const fault = world.pick(database.canGoSilent ? FAULTS_ON_POSTGRES : FAULTS);
    counts.count(fault, machine.name);
    if (fault === 'joining machine') this.#machines.start();
    if (fault === 'leaving machine') this.#machines.leave(machine);
    if (fault === 'crash') this.#machines.crash(machine);
    if (fault === 'freeze') {
      this.#machines.freeze(machine);
      database.stalls(machine);
    }
    if (fault === 'expelled machine') log.group.expel(machine);
    if (fault === 'lost database connection') database.disconnect(machine);
    if (fault === 'silent database connections') database.silence(machine);
  }

  /** Sets the clock of a machine that chance chooses. */
  jump(): void {
    const machine = this.#anyMachine();
    if (!machine) return;
    this.#shared.clocks.jump(machine);
    this.#shared.counts.count('clock jump', machine.name);
  }

  /** Undefined: all machines are dead. */
  #anyMachine(): Machine | undefined {
    return this.#shared.world.pick(this.#machines.living);
  }
}
