/** How old an answer may be. An older one counts as unknown: the source has not answered since. */
const MAX_AGE_MS = 120_000;

/**
 * Asks something slow for the metrics, without ever holding a scrape back. Each scrape gets the
 * newest answer, and asks for the next one. One question at a time is under way.
 */
export class Reading<T> {
  readonly #ask: () => Promise<T>;
  #answer: { readonly value: T; readonly atMs: number } | null = null;
  #isAsking = false;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** Returns the newest answer. Null: there is none yet, the last question failed, or it is old. */
  take(): T | null {
    void this.#refresh();
    if (this.#answer === null || performance.now() - this.#answer.atMs > MAX_AGE_MS) return null;
    return this.#answer.value;
  }

  async #refresh(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      this.#answer = { value: await this.#ask(), atMs: performance.now() };
    } catch {
      this.#answer = null;
    } finally {
      this.#isAsking = false;
    }
  }
}
