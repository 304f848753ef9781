import { spawn } from 'node:child_process';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';

/*
 * `npm test` checks the types, lints, and runs every file of tests that is not slow. Types and lint
 * count as one test each. `--slow` runs the slow files: first the stories, side by side, then the
 * campaigns, one after the other, because they measure how soon the service recovers. Other
 * arguments go to Vitest, for example a file. The last line counts what passed and failed.
 */

/** Many tests wait for a child process or a time-out, so one more runs than there are cores. */
const SIDE_BY_SIDE = ['--maxWorkers', String(availableParallelism() + 1)];
/** The quick files of a worker share its modules, which saves a quarter of the time. */
const SHARED_MODULES = '--no-isolate';
/** Unit tests need no servers and few processes, and wait for time-outs even more. */
const UNIT_TESTS = ['--project', 'unit', '--maxWorkers', String(3 * availableParallelism())];
const root = join(import.meta.dirname, '..');

const selection = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), 'allocation-tests-'));
/** Many tests start the service or the command line, which then need not be compiled again. */
const compileCache = join(directory, 'compiled');
const count = { passed: 0, failed: 0, skipped: 0 };

const { quick, stories, campaigns } = await sortFiles();
await fillCompileCache();
if (selection.length === 0) {
  for (const [tool, ...options] of [
    ['tsc', '--noEmit'],
    ['tsc', '-p', 'src/page'],
    ['biome', 'check', '.'],
  ] as const) {
    count[(await run(tool, options)) === 0 ? 'passed' : 'failed'] += 1;
  }
  await runTests(UNIT_TESTS);
  await runTests([...quick, ...SIDE_BY_SIDE, SHARED_MODULES]);
} else if (selection[0] === '--slow') {
  await runTests([...stories, ...SIDE_BY_SIDE]);
  if (count.failed === 0) await runTests([...campaigns, '--maxWorkers', '1']);
} else {
  await runTests(selection);
}
await rm(directory, { recursive: true });
process.exitCode = count.failed > 0 ? 1 : 0;
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped}\n`);

/**
 * Loads the service and the command line once. Otherwise the first processes of the tests would all
 * write the cache when they end, which takes them ten seconds on a busy machine.
 */
async function fillCompileCache(): Promise<void> {
  const inSource = (file: string) => join(root, 'src', file);
  await run('node', ['--import', inSource('main.ts'), inSource('cli/allocation.ts'), '--version']);
}

/** Sorts the files of tests on real parts by their tags. */
async function sortFiles() {
  const files = { quick: [] as string[], stories: [] as string[], campaigns: [] as string[] };
  const pattern = '{test,clients/typescript/test}/**/*.test.ts';
  for await (const file of glob(pattern, { cwd: root })) {
    if (file.startsWith('test/unit/')) continue;
    const text = await readFile(join(root, file), 'utf8');
    const has = (tag: string) => text.includes(`// @module-tag ${tag}\n`);
    if (!has('slow')) files.quick.push(file);
    else if (has('campaign')) files.campaigns.push(file);
    else files.stories.push(file);
  }
  return files;
}

/** Runs Vitest, counts the outcomes, and says how to repeat what failed. */
async function runTests(choice: readonly string[]): Promise<void> {
  const reportFile = join(directory, 'report.json');
  await rm(reportFile, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${reportFile}`];
  const exitCode = await run('vitest', ['run', ...reporters, ...choice]);
  const files = await readReport(reportFile);
  for (const { status, assertionResults } of files) {
    for (const test of assertionResults) count[outcomeOf(test.status)] += 1;
    // A file that cannot be loaded, or whose setup or teardown fails, counts as one failed test.
    const isNamed = assertionResults.some((test) => test.status === 'failed');
    if (status === 'failed' && !isNamed) count.failed += 1;
  }
  // A crash, an error outside of any test, or a run without any test fails as well.
  if (count.failed === 0 && (exitCode !== 0 || files.length === 0)) count.failed = 1;
  sayHowToRepeat(files);
}

function run(tool: string, options: readonly string[]): Promise<number> {
  process.stdout.write(`\n> ${tool} ${options.slice(0, 2).join(' ')}\n`);
  const executable = join(root, 'node_modules', '.bin', tool);
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

async function readReport(reportFile: string): Promise<readonly FileReport[]> {
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
function sayHowToRepeat(files: readonly FileReport[]): void {
  const failed = files.flatMap(({ name, status, assertionResults }) => {
    const file = relative(root, name);
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
