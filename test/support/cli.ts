import { type ChildProcess, execFile } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));

export interface CliResult {
  /** The exit code. Null: a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
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
  const env = {
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    ...environment,
  };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { cwd, env, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr });
      },
    );
    meanwhile(child);
  });
}
