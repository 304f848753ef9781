/**
 * Lets the lanes of one process take turns at a product, in the order in which they came.
 *
 * PostgreSQL locks a product for the transaction that changes it. A lane that waited there would keep
 * a connection, which other lanes need, and would give up after the lock time-out. Here it keeps
 * nothing, and only lanes of other processes are waited for in the database.
 *
 * No deadlock: a lane queues for all its products at once, so of two lanes the same one is first in
 * each queue. No endless wait: each turn is a transaction, which ends by its time-outs.
 *
 * A product that a command means and does not name has no turns: the database's lock is enough.
 */
export class ProductTurns {
  /** By sku: ends with the last turn that anybody has queued for. */
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` when all former turns at these products have ended. */
  async take<T>(skus: ReadonlySet<string>, work: () => Promise<T>): Promise<T> {
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    const former = new Set<Promise<void>>();
    for (const sku of skus) {
      const last = this.#last.get(sku);
      if (last) former.add(last);
      this.#last.set(sku, turn);
    }
    try {
      await Promise.all(former);
      return await work();
    } finally {
      end();
      for (const sku of skus) if (this.#last.get(sku) === turn) this.#last.delete(sku);
    }
  }
}
