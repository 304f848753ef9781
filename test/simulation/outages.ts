import { TroubleError } from '../../src/service-layer/errors.ts';
import type { World } from './world.ts';

/** The group's coordinator, a transactional id's, or the leader of a partition number (of each topic). */
export type Office = 'group' | `transactions of ${string}` | `leader of ${number}`;

/** Offices that have just moved to another broker: for a while it knows nothing of them, or still loads what they need. */
export class Outages {
  readonly #world: World;
  readonly #endsMs = new Map<Office, number>();

  constructor(world: World) {
    this.#world = world;
  }

  move(office: Office, forMs: number): void {
    this.#world.trace(`the ${office} moves, for ${Math.round(forMs)} ms`);
    this.#endsMs.set(office, Math.max(this.#endsMs.get(office) ?? 0, this.#world.nowMs + forMs));
  }

  end(): void {
    this.#endsMs.clear();
  }

  has(office: Office): boolean {
    return (this.#endsMs.get(office) ?? 0) > this.#world.nowMs;
  }

  /** @throws {TroubleError} the office is moving */
  ask(office: Office): void {
    if (this.has(office)) throw new TroubleError(`The ${office} is moving`);
  }
}
