/**
 * Limits how many users have a connection at once, and lets the others wait in order.
 *
 * The pool's own queue rejects a request that has waited for as long as a connection may take to
 * open. A lane would then stop, though the database works. This queue rejects no request.
 *
 * Every wait still ends, because each user's time is bounded. PostgreSQL ends a slow statement and
 * a session that sleeps inside a transaction. The client destroys a silent connection.
 */
export class PoolTurns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param connections how many connections the pool has */
  constructor(connections: number) {
    this.#free = connections;
  }

  /** Runs `use` when it is its turn, and passes the turn on when `use` has ended. */
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
