import type { Batch } from './batch.ts';

/** How many batches `allocate()` looks at for one line. */
const BLOCK = 256;

/**
 * Keeps the batches of a product in the order of their arrival, in blocks. For each line it hands
 * `allocate()` one block instead of all batches. One command may allocate 10,000 lines of a product
 * with as many batches, and must not look at each batch for each line.
 */
export class ArrivalOrder {
  readonly #batches: Batch[];
  /** An upper bound of what any batch of a block has left. */
  readonly #mostLeft: number[] = [];

  /** @param batches in the order of their creation, which decides between equal arrivals */
  constructor(batches: Iterable<Batch>) {
    this.#batches = [...batches].sort(compareArrivals);
    this.#forgetBounds();
  }

  /** Adds a batch that was created after all others. */
  add(batch: Batch): void {
    const later = this.#batches.findIndex((each) => compareArrivals(batch, each) < 0);
    this.#batches.splice(later < 0 ? this.#batches.length : later, 0, batch);
    this.#forgetBounds();
  }

  /** Notes that the batch has more left than before. */
  noteMore(batch: Batch): void {
    const block = Math.floor(this.#batches.indexOf(batch) / BLOCK);
    this.#mostLeft[block] = Math.max(this.#mostLeft[block] ?? 0, batch.availableQuantity);
  }

  /**
   * Returns the first block to arrive that has a batch with enough left, in the order of arrival;
   * nothing if no batch has enough left.
   */
  candidatesFor(quantity: number): readonly Batch[] {
    for (const [block, mostLeft] of this.#mostLeft.entries()) {
      if (mostLeft < quantity) continue;
      const batches = this.#batches.slice(block * BLOCK, (block + 1) * BLOCK);
      let most = 0;
      for (const { availableQuantity } of batches) most = Math.max(most, availableQuantity);
      if (most >= quantity) return batches;
      this.#mostLeft[block] = most;
    }
    return [];
  }

  #forgetBounds(): void {
    this.#mostLeft.length = Math.ceil(this.#batches.length / BLOCK);
    this.#mostLeft.fill(Number.POSITIVE_INFINITY);
  }
}

function compareArrivals(one: Batch, other: Batch): number {
  if (arrivesBefore(one, other)) return -1;
  return arrivesBefore(other, one) ? 1 : 0;
}

/** Tells whether `a` arrives before `b`. Stock that is here comes before stock that is due. */
export function arrivesBefore(a: Batch, b: Batch): boolean {
  if (a.eta === null || b.eta === null) return a.eta === null && b.eta !== null;
  return a.eta < b.eta;
}
