/**
 * What one process may hold of messages, in bytes, by where it holds them.
 *
 * Each lane has a fixed share of what is fetched (`adapters/broker/delivery-bytes.ts`), so no lane
 * waits for another one's room. A larger record batch comes in pieces. While the next piece is
 * unpacked, the whole batch takes up to 64 MiB, one batch at a time. The answers to one delivery are
 * in memory besides, until their transaction is committed. At most `DATABASE_POOL_SIZE` lanes have a
 * transaction on PostgreSQL, and one lane on SQLite.
 */
export const MEMORY_BUDGET_BYTES = {
  /** Commands that lanes have fetched and not answered, two deliveries each, of all lanes together. */
  fetched: 128 * 1024 * 1024,
  /** Answers that are committed to the database and wait for Kafka, of all lanes together. */
  relays: 128 * 1024 * 1024,
  /** Commands that came over HTTP and wait for the log. */
  http: 16 * 1024 * 1024,
  /** Events that clients of `GET /events` have not read yet, of all clients together. */
  streams: 64 * 1024 * 1024,
} as const;

/** Counts the bytes that several holders share. */
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
