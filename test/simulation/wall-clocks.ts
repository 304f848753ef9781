import type { Machine, World } from './world.ts';

const LONGEST_JUMP_MS = 86_400_000;

/** The machines' clocks, which differ and jump back and forth. The judge knows the true times. */
export class WallClocks {
  readonly #world: World;
  readonly #trueTimes = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  jump(machine: Machine): void {
    machine.clockOffsetMs = (this.#world.random() * 2 - 1) * LONGEST_JUMP_MS;
  }

  read(machine: Machine): Date {
    const { nowMs } = this.#world;
    const told = new Date(nowMs + machine.clockOffsetMs);
    while (this.#trueTimes.has(told.toISOString())) told.setTime(told.getTime() + 1);
    this.#trueTimes.set(told.toISOString(), new Date(nowMs).toISOString());
    return told;
  }

  /** Returns the true time at which an event was made. */
  madeAt({ ce_time: told = '' }: Readonly<Record<string, string>>): string {
    return this.#trueTimes.get(told) ?? told;
  }
}
