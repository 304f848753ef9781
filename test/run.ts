import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';

/*
 * `npm test` checks the types, lints, and runs every test that is not slow. Types and lint count as
 * one test each. With arguments, for example a file, it runs only what they select: they go to
 * Vitest. The last line counts what passed and failed.
 */

/** Many tests wait for a child process or a time-out, so more run than there are cores. */
const WORKERS = String(availableParallelism() + 2);

const selection = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), 'allocation-tests-'));
const reportFile = join(directory, 'report.json');
/** Many tests start the service or the command line, which then need not be compiled again. */
const compileCache = join(directory, 'compiled');
const count = { passed: 0, failed: 0, skipped: 0 };

if (selection.length === 0) {
  for (const [tool, ...options] of [
    ['tsc', '--noEmit'],
    ['tsc', '-p', 'src/page'],
    ['biome', 'check', '.'],
  ] as const) {
    count[(await run(tool, options)) === 0 ? 'passed' : 'failed'] += 1;
  }
}
const exitCode = await run('vitest', [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile=${reportFile}`,
  ...(selection.length > 0 ? selection : ['--tags-filter', '!slow', '--maxWorkers', WORKERS]),
]);
const files = await readReport();
for (const { status, assertionResults } of files) {
  for (const test of assertionResults) count[outcomeOf(test.status)] += 1;
  // A file that cannot be loaded, or whose setup or teardown fails, counts as one failed test.
  const isNamed = assertionResults.some((test) => test.status === 'failed');
  if (status === 'failed' && !isNamed) count.failed += 1;
}
// A crash, an error outside of any test, or a run without any test fails as well.
if (count.failed === 0 && (exitCode !== 0 || files.length === 0)) count.failed = 1;

sayHowToRepeat();
await rm(directory, { recursive: true });
process.exitCode = count.failed > 0 ? 1 : 0;
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped}\n`);

function run(tool: string, options: readonly string[]): Promise<number> {
  process.stdout.write(`\n> ${tool} ${options.slice(0, 2).join(' ')}\n`);
  const executable = join(import.meta.dirname, '..', 'node_modules', '.bin', tool);
  const { promise, resolve } = Promise.withResolvers<number>();
  // The tools look for `node` on the path and must find the one that runs this script.
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const child = spawn(executable, options, {
    stdio: 'inherit',
    env: { ...process.env, PATH: path, NODE_COMPILE_CACHE: compileCache },
  });
  child.once('error', (error) => {
    process.stdout.write(`${tool} cannot be started: ${error.message}\n`);
    resolve(1);
  });
  child.once('close', (code) => resolve(code ?? 1));
  return promise;
}

interface FileReport {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
}

async function readReport(): Promise<readonly FileReport[]> {
  try {
    const report: { readonly testResults: readonly FileReport[] } = JSON.parse(
      await readFile(reportFile, 'utf8'),
    );
    return report.testResults;
  } catch {
    return [];
  }
}

function outcomeOf(status: string): keyof typeof count {
  return status === 'passed' || status === 'failed' ? status : 'skipped';
}

/** Prints a command for each failed test that runs this test alone. */
function sayHowToRepeat(): void {
  const failed = files.flatMap(({ name, status, assertionResults }) => {
    const file = relative(join(import.meta.dirname, '..'), name);
    const tests = assertionResults.filter((test) => test.status === 'failed');
    if (status === 'failed' && tests.length === 0) return [`npm test -- ${file}`];
    const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '.');
    return tests.map(({ fullName }) => `npm test -- ${file} -t ${quoted(escaped(fullName))}`);
  });
  if (failed.length === 0) return;
  process.stdout.write(
    `\nTo run what failed again:\n${failed.map((line) => `  ${line}\n`).join('')}\n`,
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", '.')}'`;
}
