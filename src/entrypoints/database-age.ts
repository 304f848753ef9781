/** How often a process looks: one question to the log, and one to the database. */
const LOOK_MS = 5_000;

/** The part of `CommandConsumer` that this file uses. */
interface AgingConsumer {
  checkDatabaseAge(): Promise<void>;
}

/**
 * Looks again and again whether the database has become older than the topics.
 *
 * A lane compares both only when it opens. After a failover that lost commits, another process may
 * still publish answers that the database has lost. Lanes that opened before that would go on, and
 * give out a `ce_sequence` twice.
 */
export class DatabaseAge {
  readonly #consumer: AgingConsumer;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor(consumer: AgingConsumer) {
    this.#consumer = consumer;
  }

  /** Begins to look. */
  start(): void {
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Looks once. If the log or the database does not answer, the next look finds out. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    await this.#consumer.checkDatabaseAge().catch(() => {});
    this.#isLooking = false;
  }
}
