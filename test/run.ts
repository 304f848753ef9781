import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/** What `npm test` runs: types, lint, tests. Each of the first two counts as one test. The last line is the count of all. */

const directory = await mkdtemp(join(tmpdir(), 'allocation-tests-'));
const report = join(directory, 'report.json');
const count = { passed: 0, failed: 0, skipped: 0 };

for (const [tool, ...options] of [
  ['tsc', '--noEmit'],
  ['biome', 'check', '.'],
] as const) {
  count[(await run(tool, options)) === 0 ? 'passed' : 'failed'] += 1;
}
const exitCode = await run('vitest', [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile=${report}`,
  ...process.argv.slice(2),
]);
const tests = await readReport();
count.passed += tests.passed;
count.skipped += tests.skipped;
// A crash, an error outside of any test or a run without any test has no failed test of its own, and is a failure.
count.failed += Math.max(tests.failed, exitCode === 0 && tests.passed > 0 ? 0 : 1);

await rm(directory, { recursive: true });
process.exitCode = count.failed > 0 ? 1 : 0;
process.stdout.write(
  `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}\n`,
);

function run(tool: string, options: readonly string[]): Promise<number> {
  process.stdout.write(`\n> ${tool} ${options.slice(0, 2).join(' ')}\n`);
  const executable = join(import.meta.dirname, '..', 'node_modules', '.bin', tool);
  const { promise, resolve } = Promise.withResolvers<number>();
  // The tools are scripts that look for `node` on the path: let them find the one that runs this, not the machine's own.
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const child = spawn(executable, options, {
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  child.once('error', (error) => {
    process.stdout.write(`${tool} cannot be started: ${error.message}\n`);
    resolve(1);
  });
  child.once('close', (code) => resolve(code ?? 1));
  return promise;
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

async function readReport(): Promise<{ passed: number; failed: number; skipped: number }> {
  try {
    const tests: Report = JSON.parse(await readFile(report, 'utf8'));
    // A file that cannot be loaded, or whose setup or teardown fails, counts as one failed test.
    const failedFiles = tests.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    );
    return {
      passed: tests.numPassedTests,
      failed: tests.numFailedTests + failedFiles.length,
      skipped: tests.numPendingTests + tests.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}
