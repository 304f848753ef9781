import { TroubleError } from '../../src/service-layer/errors.ts';
import type { World } from './world.ts';

/** The coordinator of the group or of a transactional id, or the leader of a partition number. */
export type Office = 'group' | `transactions of ${string}` | `leader of ${number}`;

/** Offices that have just moved to another broker, which cannot serve them for a while. */
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
