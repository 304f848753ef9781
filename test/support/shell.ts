import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { type CliResult, cliResult, runCliHere } from './cli.ts';
import { eventually } from './eventually.ts';

const program = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));

/** A folder where a test types commands of `allocation`, with SQLite and the embedded log. */
export class Shell {
  readonly directory: string;
  readonly environment: Record<string, string>;
  readonly #children = new Set<ChildProcess>();

  private constructor(directory: string) {
    this.directory = directory;
    this.environment = {
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      TOPIC_PARTITIONS: '2',
    };
  }

  /** Opens a shell in an empty folder. */
  static async open(): Promise<Shell> {
    return new Shell(await mkdtemp(join(tmpdir(), 'allocation-cli-')));
  }

  /** Ends all processes that the shell has launched, and removes the folder. */
  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#children.clear();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Starts the command in a process of its own. */
  launch(
    args: readonly string[],
    more: Record<string, string> = {},
    user: { readonly uid?: number } = {},
  ): ChildProcess {
    const env = { PATH: process.env.PATH, ...this.environment, ...more };
    const options = { cwd: this.directory, env, ...user };
    const child = spawn(process.execPath, [program, ...args], options);
    this.#children.add(child);
    return child;
  }

  /** Runs the command in the process of the test, and returns the result. */
  run(...args: readonly string[]): Promise<CliResult> {
    return runCliHere(this.environment, this.directory, args);
  }

  /** Asserts that the command succeeds and writes nothing to stderr. @returns its stdout */
  async expectAnswer(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  /** Asserts that the command succeeds with `--json`. @returns the lines of its stdout */
  async expectJsonLines<T = Record<string, unknown>>(
    ...args: readonly string[]
  ): Promise<readonly T[]> {
    const text = await this.expectAnswer(...args, '--json');
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  }

  /** Asserts that publishing an empty stream succeeds, which creates the topics. */
  async expectTopicsCreated(): Promise<void> {
    expect(await outcomeOf(this.launch(['publish', '-']))).toMatchObject({ code: 0, stderr: '' });
  }

  /** Asserts that the service soon has answered all commands. */
  async expectNoLag(): Promise<void> {
    await eventually(
      async () => expect((await this.expectJsonLines('lag'))[0]).toMatchObject({ total: 0 }),
      { withinMs: 20_000 },
    );
  }
}

/** Writes the input to a process, and waits for its end. */
export async function outcomeOf(child: ChildProcess, stdin = ''): Promise<CliResult> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output.stderr += chunk;
  });
  // A process that ends before it reads its input says why in its output.
  child.stdin?.on('error', () => {});
  child.stdin?.end(stdin);
  const [code] = await once(child, 'close');
  return cliResult(code, output.stdout, output.stderr);
}

/** Asserts that the command has failed with one line on stderr. */
export function expectOneLine({ stderr }: CliResult): void {
  expect(stderr).toMatch(/^error: .+\n$/);
}
