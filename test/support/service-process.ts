import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment } from './node-environment.ts';

const cli = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));

/** Runs the real service in a process of its own, as its users do. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  /** All output of the process, line by line. */
  readonly output: string[] = [];
  url = '';

  private constructor(
    [program, ...options]: readonly [string, ...string[]],
    environment: Record<string, string>,
    cwd: string,
  ) {
    const env = { ...nodeEnvironment(), ...environment };
    const child = spawn(program, options, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.output.push(line));
    }
  }

  /** Starts the service. Resolves when the service says that it is ready. */
  static async start(environment: Record<string, string>, cwd: string): Promise<ServiceProcess> {
    const service = ServiceProcess.spawn(environment, cwd);
    await service.ready();
    return service;
  }

  /** Starts another program. Resolves when the program says `ready`. */
  static async startCommand(
    command: readonly [string, ...string[]],
    environment: Record<string, string>,
    cwd: string,
  ): Promise<ServiceProcess> {
    const program = new ServiceProcess(command, environment, cwd);
    await program.#says((line) => line === 'ready');
    return program;
  }

  /** Starts the service, or a program that runs it, and waits for nothing. */
  static spawn(
    environment: Record<string, string>,
    cwd: string,
    program: readonly [string, ...string[]] = [cli],
  ): ServiceProcess {
    return new ServiceProcess([...program, 'start'], { HTTP_PORT: '0', ...environment }, cwd);
  }

  /** Resolves when the service says that its lanes work. */
  async ready(): Promise<void> {
    this.url = JSON.parse(await this.#says((line) => line.includes('"Ready'))).url;
  }

  /** Resolves when the service takes requests, whether its lanes can work or not. */
  async listens(): Promise<void> {
    this.url = JSON.parse(
      await this.#says((line) => line.includes('"The HTTP API listens on')),
    ).url;
  }

  /** Resolves when the service has printed a line with the text. */
  async prints(text: string): Promise<void> {
    await this.#says((line) => line.includes(text));
  }

  async #says(isIt: (line: string) => boolean): Promise<string> {
    const child = this.#child;
    for (;;) {
      const found = this.output.find(isIt);
      if (found) return found;
      if (child.exitCode !== null)
        throw new Error(
          `The process ended with code ${child.exitCode}:\n${this.output.join('\n')}`,
        );
      const waiting = new AbortController();
      const { signal } = waiting;
      await Promise.race([
        once(child.stdout as NodeJS.ReadableStream, 'data', { signal }),
        once(child, 'close', { signal }),
      ]);
      waiting.abort();
      await new Promise(setImmediate);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** The signal that ended the process; null when none did. */
  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  /**
   * Sends the signal, and waits for the end of the process.
   * @returns the exit code; null when the signal ended the process
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'close');
      this.#child.kill(signal);
      await ended;
    }
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }
}

/**
 * Ends the service with SIGTERM.
 * @throws when the service does not end in order; the message ends with its last lines
 */
export async function stopped(service: ServiceProcess): Promise<void> {
  const exitCode = await service.stop();
  if (exitCode !== 0)
    throw new Error(
      `After SIGTERM the service ended with code ${exitCode}:\n` +
        service.output.slice(-30).join('\n'),
    );
}
