/**
 * How many bytes of messages one process may have in memory, by the place where they wait.
 *
 * Each lane has a fixed share of the fetched bytes (`adapters/broker/delivery-bytes.ts`), so no
 * lane waits for another one's room. A record batch that is larger than the share comes in pieces.
 * While the next piece is unpacked, the whole record batch takes up to 64 MiB, one at a time.
 *
 * The answers to one delivery come on top, until their transaction is committed. At most
 * `DATABASE_POOL_SIZE` lanes have a transaction on PostgreSQL, and one lane on SQLite.
 */
export const MEMORY_BUDGET_BYTES = {
  /**
   * Commands that lanes have fetched and not answered: two deliveries a lane, all lanes together.
   */
  fetched: 128 * 1024 * 1024,
  /** Answers that are committed to the database and wait for Kafka, all lanes together. */
  relays: 128 * 1024 * 1024,
  /** Commands that came over HTTP and wait until the log accepts them. */
  http: 16 * 1024 * 1024,
  /** Events that clients of `GET /events` have not read yet, all clients together. */
  streams: 64 * 1024 * 1024,
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
