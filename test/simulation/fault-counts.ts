import type { World } from './world.ts';

/** Counts the faults of a history, and tells each to a person who reads the history. */
export class FaultCounts {
  readonly byFault = new Map<string, number>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** @param whom the machine or the part that the fault befalls */
  count(fault: string, whom: string): void {
    this.#world.trace(`${whom}: ${fault}`);
    this.byFault.set(fault, (this.byFault.get(fault) ?? 0) + 1);
  }
}
