import type { AllocationEvent } from './event.ts';

/** A run of sequences: from the first to the last. */
export type Run = readonly [from: number, to: number];

/** What a hold-back keeps of one product, as plain data. */
export interface ProductState {
  readonly sku: string;
  /** The sequence up to which events were released or given up. */
  readonly version: number;
  /** What was given up and has not come yet. */
  readonly missing: readonly Run[];
  readonly held: readonly AllocationEvent[];
}

/** How many missing runs are kept, the newest. Events of a forgotten run count as repeats. */
const MAX_MISSING_RUNS = 1_000;

/** Decides which events of one product have their turn. */
export class ProductTurn {
  #version: number;
  #missing: Run[];
  readonly #held: Map<number, AllocationEvent>;

  constructor({ version, missing, held }: Omit<ProductState, 'sku'>) {
    this.#version = version;
    this.#missing = [...missing];
    this.#held = new Map(held.map((event) => [event.sequence ?? 0, event]));
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /** The sequences before the first event that is held. Null: no event is held. */
  get gap(): Run | null {
    if (this.#held.size === 0) return null;
    return [this.#version + 1, Math.min(...this.#held.keys()) - 1];
  }

  /** Takes an event. Returns the events that now have their turn; a repeat is dropped. */
  add(event: AllocationEvent, sequence: number): readonly AllocationEvent[] {
    if (sequence <= this.#version) return this.#takeMissing(sequence) ? [event] : [];
    if (!this.#held.has(sequence)) this.#held.set(sequence, event);
    return this.#release();
  }

  /** Gives up what is missing before the first event that is held. Returns the events behind it. */
  giveUp(gap: Run): readonly AllocationEvent[] {
    this.#missing = [...this.#missing, gap].slice(-MAX_MISSING_RUNS);
    this.#version = gap[1];
    return this.#release();
  }

  state(sku: string): ProductState {
    const held = [...this.#held.values()];
    return { sku, version: this.#version, missing: this.#missing, held };
  }

  #release(): readonly AllocationEvent[] {
    const released: AllocationEvent[] = [];
    for (let next = this.#held.get(this.#version + 1); next; ) {
      this.#version += 1;
      this.#held.delete(this.#version);
      released.push(next);
      next = this.#held.get(this.#version + 1);
    }
    return released;
  }

  /** Takes the sequence off the missing runs. Returns whether it was missing. */
  #takeMissing(sequence: number): boolean {
    const index = this.#missing.findIndex(([from, to]) => from <= sequence && sequence <= to);
    const [from, to] = this.#missing[index] ?? [];
    if (from === undefined || to === undefined) return false;
    const around: Run[] = [
      [from, sequence - 1],
      [sequence + 1, to],
    ];
    this.#missing.splice(index, 1, ...around.filter(([first, last]) => first <= last));
    return true;
  }
}
