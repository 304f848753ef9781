import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');

/** The folder of the Python client. */
export const PYTHON_CLIENT = join(root, 'clients', 'python');

/** What the client's package is made of. */
const PACKAGE = '{pyproject.toml,README.md,LICENSE,src/**/*}';
const CAN_RUN = 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))';

/**
 * Returns the path of a Python that has the client installed, and what its tests need. Without one,
 * returns null and prints why tests are skipped. In CI a missing Python is an error.
 */
export async function clientPythonOrSkip(): Promise<string | null> {
  return clientPython().catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests of the Python client are skipped: ${reason.message}\n`);
    return null;
  });
}

async function clientPython(): Promise<string> {
  const folder = join(root, '.cache', 'python-client', digest());
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  await run('python3', ['-c', CAN_RUN]).catch(() => {
    throw new Error('Python 3.10 with venv is missing (Debian: apt-get install python3-venv)');
  });
  await rm(dirname(folder), { recursive: true, force: true });
  await run('python3', ['-m', 'venv', folder]);
  const wheelsOnly = ['--only-binary', ':all:'];
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...wheelsOnly];
  await run(python, [...pip, `${PYTHON_CLIENT}[dev]`]);
  await writeFile(complete, '');
  return python;
}

/** Changes whenever the package changes, so that nobody tests an older installation. */
function digest(): string {
  const hash = createHash('sha256');
  for (const file of globSync(PACKAGE, { cwd: PYTHON_CLIENT }).sort()) {
    if (/\.(py|typed|toml|md)$|LICENSE$/.test(file))
      hash.update(file).update(readFileSync(join(PYTHON_CLIENT, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * Runs a program of Python in the folder of the client.
 *
 * @returns what the program printed, on stdout and then on stderr
 * @throws the program failed; the message has its errors
 */
export async function runPython(
  python: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...environment };
  try {
    const { stdout, stderr } = await run(python, args, { cwd: PYTHON_CLIENT, env });
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`python ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}
