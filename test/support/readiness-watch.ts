import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterAnswers } from './cluster-answers.ts';
import { eventually } from './eventually.ts';
import type { ServiceProcess } from './service-process.ts';

const POLL_MS = 1_000;
/**
 * After this time without any answer, while commands wait, no instance may say that it is ready. It
 * includes a margin for a busy machine.
 */
const SILENCE_MS = 30_000 + 5_000;
const PATIENCE_MS = 5_000;

/** Checks that no instance says it is ready while nothing is answered. */
export class ReadinessWatch {
  readonly #answers: ClusterAnswers;
  readonly #instances: () => readonly ServiceProcess[];
  #current: { isOver: boolean; readonly findings: string[] } | null = null;

  /** @param instances returns the instances that run now */
  constructor(answers: ClusterAnswers, instances: () => readonly ServiceProcess[]) {
    this.#answers = answers;
    this.#instances = instances;
  }

  /** Starts to watch, during this fault. */
  begin(fault: string): void {
    const watch = { isOver: false, findings: [] };
    this.#current = watch;
    void this.#watch(fault, watch);
  }

  /**
   * Ends the watch.
   * @returns what was wrong, one line each
   */
  end(): readonly string[] {
    if (!this.#current) return [];
    const { findings } = this.#current;
    this.#current.isOver = true;
    this.#current = null;
    return findings;
  }

  /**
   * Waits until the instance says that it is not ready, and why.
   * @returns null then; what is wrong when the time is up
   */
  async isUnready({ url }: ServiceProcess, withinMs: number): Promise<string | null> {
    const check = async () => {
      const { status, problems } = await readinessOf(url);
      if (status === 200) throw new Error('says that it is ready');
      if (problems.length === 0) throw new Error('does not say why it is not ready');
      return null;
    };
    return await eventually(check, { withinMs }).catch(({ message }: Error) => message);
  }

  async #watch(
    fault: string,
    watch: { isOver: boolean; readonly findings: string[] },
  ): Promise<void> {
    let [answered, sinceMs] = [-1, performance.now()];
    while (!watch.isOver) {
      // While no broker can tell, assume that nothing new was answered.
      const now = await this.#progress().catch(() => null);
      if (now !== null && (now.waiting === 0 || now.answered !== answered)) {
        answered = now.answered;
        sinceMs = performance.now();
      }
      const silentMs = Math.round(performance.now() - sinceMs);
      if (now !== null && now.waiting > 0 && silentMs > SILENCE_MS) {
        watch.findings.push(...(await this.#claims(fault, silentMs)));
        if (watch.findings.length > 0) return;
      }
      await sleep(POLL_MS);
    }
  }

  async #progress(): Promise<{ readonly answered: number; readonly waiting: number }> {
    const waiting = await this.#answers.waiting(await this.#answers.ends());
    const committed = await this.#answers.committed();
    return { waiting, answered: committed.reduce<number>((sum, offset) => sum + (offset ?? 0), 0) };
  }

  async #claims(fault: string, silentMs: number): Promise<readonly string[]> {
    const claims = this.#instances().map(async ({ url }, index) => {
      const { status } = await readinessOf(url);
      return status === 200
        ? [
            `${fault}: nothing was answered for ${silentMs} ms, ` +
              `but instance ${index} says that it is ready`,
          ]
        : [];
    });
    return (await Promise.all(claims)).flat();
  }
}

/** Reads the readiness of an instance. An instance that does not answer is not ready. */
async function readinessOf(
  url: string,
): Promise<{ readonly status: number; readonly problems: readonly string[] }> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const { problems } = (await response.json()) as { problems: readonly string[] };
    return { status: response.status, problems };
  } catch (error) {
    return { status: 0, problems: [String(error)] };
  }
}
