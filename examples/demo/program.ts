import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a program may take to end before it is killed. */
const END_TIMEOUT_MS = 8_000;

export interface ProgramOptions {
  readonly command: readonly [program: string, ...options: string[]];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long after its end the program is started again. */
  readonly pauseMs: number;
  readonly onLine: (line: string) => void;
}

/** A program that is started again whenever it ends, until it is stopped. */
export class Program {
  readonly #options: ProgramOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #child: ChildProcess | null = null;
  /** Why the program cannot be started. Null: it can. */
  problem: string | null = null;

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Kills the program as a crash does. It is started again. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Ends the program for good. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill('SIGTERM');
    const killer = setTimeout(() => this.kill(), END_TIMEOUT_MS);
    await this.#running;
    clearTimeout(killer);
  }

  async #run(): Promise<void> {
    const { command, cwd, environment, pauseMs, onLine } = this.#options;
    const [program, ...options] = command;
    const { signal } = this.#stopping;
    while (!signal.aborted && this.problem === null) {
      const env = environment as NodeJS.ProcessEnv;
      const child = spawn(program, options, { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] });
      this.#child = child;
      createInterface({ input: child.stdout }).on('line', onLine);
      await once(child, 'close').catch((error: Error) => {
        this.problem = error.message;
      });
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }
}
