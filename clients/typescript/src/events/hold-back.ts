import type { AllocationEvent } from './event.ts';
import { type ProductState, ProductTurn } from './product-turn.ts';

export interface HoldBackOptions {
  /**
   * For a consumer that does not start at the beginning of the topic: the last version of each
   * product that the consumer knows. Other products start before their first event.
   */
  readonly versions?: Iterable<readonly [sku: string, version: number]>;
  /** Goes on where another hold-back stood. */
  readonly state?: HoldBackState;
  /** How long a gap may last before it is given up, in ms. Default: 60,000. */
  readonly maxWaitMs?: number;
  /** How many events may be held before the oldest gap is given up. Default: 10,000. */
  readonly maxHeld?: number;
}

/** All that a hold-back knows, as plain data that JSON can take. */
export interface HoldBackState {
  readonly products: readonly ProductState[];
}

/** Events of a product that did not come, although later ones did. */
export interface Gap {
  readonly sku: string;
  /** The first and the last sequence that is missing. */
  readonly from: number;
  readonly to: number;
}

/** What the hold-back lets go in one step. */
export interface Release {
  /** The events that have their turn, in the order in which to handle them. */
  readonly events: readonly AllocationEvent[];
  /** The gaps that were given up, because they lasted too long or held too much. */
  readonly gaps: readonly Gap[];
}

const DEFAULT_MAX_WAIT_MS = 60_000;
const DEFAULT_MAX_HELD = 10_000;

/**
 * Brings the events of each product into the order of their sequences. One sku's events may lie in
 * several partitions, so a consumer may meet them in another order.
 *
 * An event waits until all earlier ones of its product have come. Events without a sequence pass at
 * once, and repeats are dropped. A gap that is too old is reported and given up: the events behind
 * it pass. If a missing event comes after all, it passes at once, out of order.
 *
 * Do not commit the offset of an event that is held, unless you save `state` as well.
 *
 * @example
 * const { events, gaps } = holdBack.add(event);
 */
export class HoldBack {
  readonly #maxWaitMs: number;
  readonly #maxHeld: number;
  readonly #turns = new Map<string, ProductTurn>();
  /** When each waiting product began to wait for its present gap. The oldest is first. */
  readonly #waitingSinceMs = new Map<string, number>();
  #heldCount = 0;

  constructor({ versions = [], state, maxWaitMs, maxHeld }: HoldBackOptions = {}) {
    this.#maxWaitMs = maxWaitMs ?? DEFAULT_MAX_WAIT_MS;
    this.#maxHeld = maxHeld ?? DEFAULT_MAX_HELD;
    for (const product of state?.products ?? []) {
      const turn = new ProductTurn(product);
      this.#turns.set(product.sku, turn);
      this.#heldCount += turn.heldCount;
      if (turn.gap) this.#waitingSinceMs.set(product.sku, Date.now());
    }
    for (const [sku, version] of versions) this.startAt(sku, version);
  }

  /** How many events wait. */
  get heldCount(): number {
    return this.#heldCount;
  }

  /** Tells whether the product has a version here, from an event or from `startAt`. */
  has(sku: string): boolean {
    return this.#turns.has(sku);
  }

  /**
   * Starts a product behind a version, such as that of `GET /products/:sku`. Its events up to that
   * version are dropped.
   *
   * @throws {RangeError} an event of the product has come already
   */
  startAt(sku: string, version: number): void {
    if (this.#turns.has(sku)) throw new RangeError(`The product ${sku} has started already`);
    this.#turns.set(sku, new ProductTurn({ version, missing: [], held: [] }));
  }

  /** Takes an event. Returns what has its turn now. */
  add(event: AllocationEvent): Release {
    const { sku, sequence } = event;
    if (sku === null || sequence === null) return this.#releaseWith([event]);
    if (!this.#turns.has(sku)) this.startAt(sku, 0);
    return this.#releaseWith(this.#step(sku, (turn) => turn.add(event, sequence)));
  }

  /**
   * Gives up the gaps that are too old. `add` does so too; call this from a timer if events are
   * rare.
   */
  expire(): Release {
    return this.#releaseWith([]);
  }

  /** The gaps that events wait behind at present. */
  gaps(): readonly Gap[] {
    return [...this.#waitingSinceMs.keys()].flatMap((sku) => {
      const gap = this.#turns.get(sku)?.gap;
      return gap ? [{ sku, from: gap[0], to: gap[1] }] : [];
    });
  }

  /** Returns all that a new hold-back needs to go on from here. */
  state(): HoldBackState {
    return { products: [...this.#turns].map(([sku, turn]) => turn.state(sku)) };
  }

  /** @param before events that have their turn before those behind the gaps */
  #releaseWith(before: readonly AllocationEvent[]): Release {
    const events = [...before];
    const gaps: Gap[] = [];
    for (const [sku, sinceMs] of this.#waitingSinceMs) {
      const isOld = Date.now() - sinceMs > this.#maxWaitMs;
      if (!isOld && this.#heldCount <= this.#maxHeld) break;
      const gap = this.#turns.get(sku)?.gap;
      if (!gap) continue;
      gaps.push({ sku, from: gap[0], to: gap[1] });
      events.push(...this.#step(sku, (turn) => turn.giveUp(gap)));
    }
    return { events, gaps };
  }

  #step(
    sku: string,
    act: (turn: ProductTurn) => readonly AllocationEvent[],
  ): readonly AllocationEvent[] {
    const turn = this.#turns.get(sku);
    if (!turn) return [];
    const { heldCount: before, gap: gapBefore } = turn;
    const events = act(turn);
    this.#heldCount += turn.heldCount - before;
    const { gap } = turn;
    // A product that waits for a new gap comes last: its time begins now.
    if (gap?.[0] !== gapBefore?.[0]) this.#waitingSinceMs.delete(sku);
    if (gap && !this.#waitingSinceMs.has(sku)) this.#waitingSinceMs.set(sku, Date.now());
    return events;
  }
}
