/** Limits how many users do something at once, and lets the others wait in order. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param count how many users may have a turn at once */
  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a turn, runs `use`, and passes the turn on when `use` has ended. */
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
