/**
 * Lets as many users at once have a connection as the pool has, and the others wait in order.
 *
 * The pool's own queue rejects a request that has waited for as long as a connection may take to
 * open. A lane would take that for trouble, though nothing is wrong. Here no request is rejected. The
 * wait ends all the same, because each user's time is bounded: PostgreSQL ends a statement that takes
 * too long and a session that sleeps amid a transaction, and a silent connection is given up.
 */
export class PoolTurns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param connections how many the pool has */
  constructor(connections: number) {
    this.#free = connections;
  }

  async take<T>(use: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await use();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
