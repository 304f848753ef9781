/**
 * How many bytes of messages one process may have in memory, by the place where they wait.
 *
 * Each lane has a fixed share of the fetched bytes (`adapters/broker/delivery-bytes.ts`), so no
 * lane waits for another one's room. A record batch that is larger than the share comes in pieces.
 * While the next piece is unpacked, the whole record batch takes up to 64 MiB, one at a time.
 *
 * Lanes that begin a transaction at the same moment may exceed the budget of the answers. At most
 * `DATABASE_POOL_SIZE` lanes have a transaction on PostgreSQL, and one lane on SQLite. Each of them
 * takes at most `TRANSACTION_ANSWERS_BYTES`, or the answer to one command.
 */
export const MEMORY_BUDGET_BYTES = {
  /**
   * Commands that lanes have fetched and not answered: two deliveries a lane, all lanes together.
   */
  fetched: 128 * 1024 * 1024,
  /** Answers that wait for their commit to the database, and for Kafka, all lanes together. */
  relays: 128 * 1024 * 1024,
  /** Commands that came over HTTP and wait until the log accepts them. */
  http: 16 * 1024 * 1024,
  /** Events that clients of `GET /events` have not read yet, all clients together. */
  streams: 64 * 1024 * 1024,
} as const;

/**
 * How many bytes the answers to several commands may take in one transaction. A single command may
 * have a larger answer, because nothing smaller can be decided.
 */
export const TRANSACTION_ANSWERS_BYTES = {
  /** Enough for 10,000 orders of one line, the most records of a delivery. */
  usual: 8 * 1024 * 1024,
  /**
   * The limit while the lanes together hold more than their budget. Only lanes that hold nothing go
   * on then, because others may wait for their answers (`outbox-relay.ts`).
   */
  beyondBudget: 1024 * 1024,
} as const;

/** Counts bytes against a limit that several holders share. The holders check `isExceeded`. */
export class ByteBudget {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isExceeded(): boolean {
    return this.#heldBytes > this.#maxBytes;
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}

/** What one holder has of a budget at the moment. */
export class Held {
  readonly #budget: ByteBudget;
  #bytes = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Notes how much the holder has now, instead of what it had before. */
  set(bytes: number): void {
    this.#budget.hold(bytes - this.#bytes);
    this.#bytes = bytes;
  }
}
