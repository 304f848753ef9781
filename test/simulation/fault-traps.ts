import { FAULT_POINTS, type FaultPoint, faults } from '../../src/fault-points.ts';
import type { FaultCounts } from './fault-counts.ts';
import type { Machines } from './machines.ts';
import { currentMachine, type World } from './world.ts';

interface Trap {
  readonly where: FaultPoint;
  readonly kind: 'kill' | 'throw' | 'stall';
  readonly canThrow: boolean;
  /** How many passings are left until the fault. */
  left: number;
}

/** An owner that stalls here wakes up as a former owner, and goes on into a transaction. */
const BEFORE_A_TRANSACTION = ['delivered', 'decoded'] as const satisfies readonly FaultPoint[];
const ZOMBIE_RATE = 0.15;
const KILL_ON_THE_WAY_OUT_RATE = 0.3;

const WAY_OUT = FAULT_POINTS.slice(
  FAULT_POINTS.indexOf('database-committed'),
  FAULT_POINTS.indexOf('broker-committed'),
);

/** Lets machines die, throw or stall at named points between two steps of the service. */
export class FaultTraps {
  readonly #world: World;
  readonly #machines: Machines;
  readonly #counts: FaultCounts;
  readonly #traps: Trap[] = [];
  #isOver = false;

  constructor(world: World, machines: Machines, counts: FaultCounts) {
    this.#world = world;
    this.#machines = machines;
    this.#counts = counts;
  }

  /** Sets traps at points that chance chooses. */
  set(): void {
    const world = this.#world;
    faults.at = (point) => this.#pass(point);
    const where = world.pick(FAULT_POINTS);
    const isSecond = where.startsWith('left-behind');
    // One machine must leave answers behind before another one can fail over them.
    if (isSecond || world.chance(KILL_ON_THE_WAY_OUT_RATE))
      this.#lieInWait(world.pick(WAY_OUT), world.between(1, 5), 'kill');
    if (world.chance(ZOMBIE_RATE))
      this.#lieInWait(world.pick(BEFORE_A_TRANSACTION), world.between(1, 30), 'stall');
    this.#lieInWait(where, isSecond || where === 'failure-claimed' ? 1 : world.between(1, 5));
  }

  /** From now on, machines pass all points unharmed. */
  disarm(): void {
    this.#isOver = true;
  }

  /** Stops watching the points. */
  remove(): void {
    faults.at = null;
  }

  /** Sets a trap: the n-th machine to pass the point dies there, throws, or stalls. */
  #lieInWait(where: FaultPoint, passings: number, how?: 'kill' | 'stall'): void {
    // Closing a lane promises not to fail, so nothing can throw there.
    const canThrow =
      where !== 'partition-revoked' && where !== 'relay-drained' && where !== 'outbox-emptied';
    const kind = how ?? this.#world.pick(canThrow ? ['kill', 'throw', 'stall'] : ['kill', 'stall']);
    this.#traps.push({ where, kind, canThrow, left: passings });
  }

  #pass(point: FaultPoint): void {
    const machine = currentMachine();
    const trap = this.#traps.find(({ where, left }) => where === point && left > 0);
    if (this.#isOver || !trap || !machine || machine.isDead) return;
    trap.left -= 1;
    if (trap.left > 0) return;
    this.#counts.count(`${trap.kind} at ${point}`, machine.name);
    if (trap.kind === 'stall') this.#machines.freeze(machine);
    if (trap.kind === 'kill') this.#machines.crash(machine);
    if (trap.kind !== 'stall' && trap.canThrow) throw new Error(`${trap.kind} at ${point}`);
  }
}
