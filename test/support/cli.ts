import { type ChildProcess, execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';
import type { OperatorActed } from '../../src/messages/operator-acts.ts';
import { nodeEnvironment } from './node-environment.ts';

const program = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));

export interface CliResult {
  /** The exit code. Null: a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  /** Without the lines of the audit. */
  readonly stderr: string;
  /** What the audit has logged, line by line. */
  readonly audit: readonly OperatorActed[];
}

/** Makes the result, with the lines of the audit apart from the rest of stderr. */
export function cliResult(code: number | null, stdout: string, stderr: string): CliResult {
  const lines = stderr.split('\n');
  const audited = lines.map(auditOf);
  return {
    code,
    stdout,
    stderr: lines.filter((_, line) => audited[line] === null).join('\n'),
    audit: audited.filter((each) => each !== null),
  };
}

/** Returns the act in a line of the log; null: the line is no line of the audit. */
function auditOf(line: string): OperatorActed | null {
  if (!line.startsWith('{"level":30,')) return null;
  const { audit = null } = JSON.parse(line);
  return audit;
}

/**
 * Runs `allocation …` in a process of its own.
 * @param meanwhile receives the process
 */
export function runCli(
  environment: Record<string, string>,
  cwd: string,
  args: readonly string[],
  meanwhile: (child: ChildProcess) => void = () => {},
): Promise<CliResult> {
  const env = { ...nodeEnvironment(), ...environment };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { cwd, env, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout, stderr) => {
        resolve(cliResult(child.exitCode, stdout, stderr));
      },
    );
    meanwhile(child);
  });
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

let queue: Promise<unknown> = Promise.resolve();

/**
 * Runs `allocation …` in the process of the test, which takes a fraction of the time. The command
 * must end by itself, and reads nothing from stdin. Commands run one after the other.
 */
export function runCliHere(
  environment: Record<string, string>,
  cwd: string,
  args: readonly string[],
): Promise<CliResult> {
  const result = queue.then(() => withProcessOf(environment, cwd, args));
  queue = result.catch(() => {});
  return result;
}

/** Lends the process to the command: its environment, folder, arguments, output and exit code. */
async function withProcessOf(
  environment: Record<string, string>,
  cwd: string,
  args: readonly string[],
): Promise<CliResult> {
  const { env, argv, exitCode } = process;
  const folder = process.cwd();
  const handlers = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
  const output = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      output[name] += chunk;
      return true;
    }),
  );
  try {
    process.env = { PATH: env.PATH, ...environment };
    process.argv = [process.execPath, program, ...args];
    process.chdir(cwd);
    process.exitCode = 0;
    await runCommandLine(args);
    return cliResult(Number(process.exitCode), output.stdout, output.stderr);
  } finally {
    for (const spy of spies) spy.mockRestore();
    // Some commands leave their handlers to the end of the process.
    for (const [signal, earlier] of handlers) {
      for (const handler of process.listeners(signal))
        if (!earlier.includes(handler)) process.off(signal, handler);
    }
    process.chdir(folder);
    Object.assign(process, { env, argv, exitCode });
  }
}
