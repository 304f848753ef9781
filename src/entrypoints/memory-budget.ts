/**
 * What one process may hold of messages, in bytes, by where it holds them.
 *
 * Each lane holds, besides, one delivery and its answers: 512 KiB as fetched, or one record batch of at
 * most 64 MiB unpacked. A lane that holds nothing may always take the next delivery. So lanes that
 * wait for each other's answers go on.
 */
export const MEMORY_BUDGET_BYTES = {
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
