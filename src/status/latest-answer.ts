/**
 * Keeps the newest answer to a question that may take long. All callers share one question at a
 * time. The question itself must end in bounded time.
 */
export class LatestAnswer<T> {
  readonly #ask: () => Promise<T>;
  readonly #maxAgeMs: number;
  #answer: T | null = null;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;

  /** @param maxAgeMs how old an answer may be before the question is asked again */
  constructor(maxAgeMs: number, ask: () => Promise<T>) {
    this.#maxAgeMs = maxAgeMs;
    this.#ask = ask;
  }

  /**
   * Returns the newest answer. If the question takes longer than `waitMs`, the question goes on,
   * and this call returns the former answer.
   *
   * @returns null: the question failed the last time, or was never answered
   */
  async within(waitMs: number): Promise<T | null> {
    if (performance.now() - this.#answeredAtMs < this.#maxAgeMs) return this.#answer;
    this.#asking ??= this.#run();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    await Promise.race([this.#asking, late]);
    clearTimeout(timer);
    return this.#answer;
  }

  async #run(): Promise<void> {
    this.#answer = await this.#ask().catch(() => null);
    this.#answeredAtMs = performance.now();
    this.#asking = null;
  }
}
