/** A statement needs a lock that another open transaction holds. */
export class BlockedError extends Error {
  readonly key: string;

  constructor(key: string) {
    super(`The lock of ${key} is taken`);
    this.key = key;
  }
}

interface Wait {
  readonly key: string;
  readonly wake: () => void;
}

/**
 * Exclusive locks of rows and of unique keys. A transaction holds them until it ends. Others that
 * want one wait in line.
 */
export class RowLocks<Transaction extends object> {
  readonly #holders = new Map<string, Transaction>();
  readonly #held = new Map<Transaction, string[]>();
  /** In the order in which they came. A transaction waits for one lock at a time. */
  readonly #waits = new Map<Transaction, Wait>();

  /** @throws {BlockedError} another transaction holds it */
  take(transaction: Transaction, key: string): void {
    const holder = this.#holders.get(key);
    if (holder === transaction) return;
    if (holder) throw new BlockedError(key);
    this.#holders.set(key, transaction);
    const held = this.#held.get(transaction);
    if (held) held.push(key);
    else this.#held.set(transaction, [key]);
  }

  /** @param wake called once, when the lock may be free */
  wait(transaction: Transaction, key: string, wake: () => void): void {
    this.#waits.set(transaction, { key, wake });
  }

  stopWaiting(transaction: Transaction): void {
    this.#waits.delete(transaction);
  }

  /** Releases all locks of a transaction, and wakes those that wait for them. */
  release(transaction: Transaction): void {
    this.stopWaiting(transaction);
    const held = new Set(this.#held.get(transaction));
    this.#held.delete(transaction);
    for (const key of held) this.#holders.delete(key);
    for (const [waiting, wait] of [...this.#waits]) {
      // A transaction woken just before may have released its locks again, and woken this one.
      if (!held.has(wait.key) || this.#waits.get(waiting) !== wait) continue;
      this.#waits.delete(waiting);
      wait.wake();
    }
  }

  /** Says whether the transaction waits for one that, in the end, waits for this one. */
  isInDeadlock(transaction: Transaction): boolean {
    const seen = new Set<Transaction>();
    for (
      let next = this.#waitsFor(transaction);
      next && !seen.has(next);
      next = this.#waitsFor(next)
    ) {
      if (next === transaction) return true;
      seen.add(next);
    }
    return false;
  }

  #waitsFor(transaction: Transaction): Transaction | undefined {
    const wait = this.#waits.get(transaction);
    return wait && this.#holders.get(wait.key);
  }
}
