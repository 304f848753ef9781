import type { Logger } from 'pino';
import { TroubleError } from '../service-layer/errors.ts';
import { isTransient, reopenAfterMs } from '../service-layer/recoverability.ts';
import { sleepUntilClosing } from './closing-sleep.ts';

/** Bounds the remembered problems, because a problem may contain a number that changes. */
const MAX_LOGGED = 100;

interface StartStepOptions {
  /** The beginning of the problem; the message of the error follows. */
  readonly beginning: string;
  /** Does the step. It must be possible to call it again after a failure. */
  readonly act: () => Promise<unknown>;
  readonly log: Logger;
}

/**
 * A step of the start that waits for the database or the broker:
 *
 *   waiting ──the act succeeds──▶ done
 *    │   ▲
 *    └───┘ time helps: the next attempt follows within a second, without end
 *
 * The log has one line for each problem, even if the problem comes back.
 */
export class StartStep {
  readonly #beginning: string;
  readonly #act: () => Promise<unknown>;
  readonly #log: Logger;
  readonly #logged = new Set<string>();
  #problem: string | null;

  constructor({ beginning, act, log }: StartStepOptions) {
    this.#beginning = beginning;
    this.#act = act;
    this.#log = log;
    this.#problem = `${beginning}: no answer yet`;
  }

  /** Why the step is not done yet, in a sentence. Null: it is done. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Refuses work that needs the step. @throws {TroubleError} the step is not done */
  mustBeDone(): void {
    if (this.#problem !== null) throw new TroubleError(this.#problem);
  }

  /** Tries once, unless the step is done. @throws what the act throws */
  async attempt(): Promise<void> {
    if (this.#problem === null) return;
    await this.#act();
    this.#problem = null;
  }

  /**
   * Resolves when the step is done, or soon after the signal has aborted.
   * @throws the error of the act, if time does not help
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 1; this.#problem !== null && !signal.aborted; failures += 1) {
      try {
        await this.attempt();
      } catch (error) {
        if (signal.aborted) return;
        if (!isTransient(error)) throw error;
        this.#fail((error as Error).message);
        await sleepUntilClosing(reopenAfterMs(error, failures, Math.random()), signal);
      }
    }
  }

  #fail(why: string): void {
    const problem = `${this.#beginning}: ${why}`;
    this.#problem = problem;
    if (this.#logged.has(problem)) return;
    if (this.#logged.size >= MAX_LOGGED) this.#logged.clear();
    this.#logged.add(problem);
    this.#log.warn(problem);
  }
}
