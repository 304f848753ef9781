import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const VERSION = '4.32.5';
const FOLDER = join(import.meta.dirname, '..', '..', '.cache', 'schemathesis', VERSION);
const CAN_RUN = 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))';
/** All tests of one document take about a minute on a quiet machine. */
const TIMEOUT_MS = 1_200_000;

/**
 * Returns the path of the program `schemathesis`, which tries an API with requests that it makes
 * from the API's own description. The first test that needs it installs it, once per checkout.
 * Without Python, returns null and prints why tests are skipped. In CI that is an error.
 */
export async function schemathesisOrSkip(): Promise<string | null> {
  return installed().catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`The test with schemathesis is skipped: ${reason.message}\n`);
    return null;
  });
}

async function installed(): Promise<string> {
  const program = join(FOLDER, 'bin', 'schemathesis');
  const complete = join(FOLDER, 'complete');
  if (existsSync(complete)) return program;
  await run('python3', ['-c', CAN_RUN]).catch(() => {
    throw new Error('Python 3.10 with venv is missing (Debian: apt-get install python3-venv)');
  });
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(dirname(FOLDER), { recursive: true });
  await run('python3', ['-m', 'venv', FOLDER]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  await run(join(FOLDER, 'bin', 'python'), [...pip, `schemathesis==${VERSION}`]);
  await writeFile(complete, '');
  return program;
}

/**
 * Runs the program.
 *
 * @returns the exit code, and what the program printed: each failure with a request that repeats it
 */
export async function runSchemathesis(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly code: number; readonly output: string }> {
  const env = {
    ...process.env,
    SCHEMATHESIS_HOOKS: 'schemathesis_hooks',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONPATH: import.meta.dirname,
  };
  const options = { cwd, env, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 };
  return run(program, args, options).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error: { code?: number; stdout?: string; stderr?: string; message: string }) => ({
      code: error.code ?? 1,
      output: error.stdout || error.stderr || error.message,
    }),
  );
}
