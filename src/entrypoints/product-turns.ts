/**
 * Lets the lanes of one process take turns at a product, in the order in which they came.
 *
 * PostgreSQL locks a product for the transaction that changes it. A lane that waited for the lock
 * would keep a connection, which other lanes need, and would give up after the lock timeout. A lane
 * that waits here keeps no connection. Only lanes of other processes wait in the database.
 *
 * There is no deadlock, because a lane queues for all its products at once. So the same lane is
 * first in each queue that two lanes share. No wait is endless, because each turn is one
 * transaction, which its timeouts end.
 *
 * A product that a command changes but does not name has no turns. The database's lock is enough.
 */
export class ProductTurns {
  /** The last turn in the queue of each product, by sku. */
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
