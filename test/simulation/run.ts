import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { copyFile, mkdtemp } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Command, Option } from 'commander';
import { Database } from '../../src/adapters/database/database.ts';
import { parseCount } from '../../src/cli/command-arguments.ts';
import { progress } from '../support/progress.ts';
import type { FindingKind } from './finding.ts';
import { type PlantedBug, plants } from './planted-bugs/planted-bugs.ts';
import { type Outcome, simulate } from './simulate.ts';
import { DatabaseFile } from './simulated-database.ts';
import { kindsShownBy } from './witnesses.ts';
import type { Task } from './worker.ts';

interface Options {
  readonly histories: number;
  readonly minutes?: number;
  readonly seed?: number;
  readonly plant?: PlantedBug;
  readonly everyPlant?: boolean;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main({ histories, minutes, seed, plant, everyPlant }: Options): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-simulation-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'stock.db');
  const database = await Database.open(`sqlite:///${path}`);
  await database.runMigrations();
  await database.close();
  if (seed !== undefined) {
    const outcome = await simulate(seed, new DatabaseFile(path), say, plant);
    if (outcome.violations.length > 0) reportWrong(seed, outcome, plant);
    else say(`Nothing lost, nothing twice in the history of seed ${seed}`);
    return;
  }
  if (everyPlant) {
    await tryEveryPlant(path, histories);
    return;
  }
  const startedMs = performance.now();
  const isOver = (begun: number) =>
    minutes === undefined ? begun >= histories : performance.now() - startedMs > minutes * 60_000;
  await runMany(path, isOver, plant);
}

/** Runs histories on all processors until `isOver` says so, or until one history is wrong. */
async function runMany(
  path: string,
  isOver: (begun: number) => boolean,
  plant: PlantedBug | undefined,
): Promise<void> {
  const firstSeed = Math.floor(Math.random() * 1e9);
  say(`The first seed is ${firstSeed}`);
  const startedMs = performance.now();
  const faults = new Map<string, number>();
  let begun = 0;
  let done = 0;
  let isWrong = false;
  const work = async (worker: Worker) => {
    while (!isWrong && !isOver(begun)) {
      const task: Task = { seed: firstSeed + begun, plant };
      begun += 1;
      worker.postMessage(task);
      const outcome = await once(worker, 'message').then(
        ([outcome]: Outcome[]) => outcome as Outcome,
        thrown,
      );
      if (isWrong) break;
      for (const [fault, count] of outcome.faults)
        faults.set(fault, (faults.get(fault) ?? 0) + count);
      done += 1;
      progress(`${done} histories`);
      isWrong = outcome.violations.length > 0;
      if (isWrong) reportWrong(task.seed, outcome, plant);
    }
    await worker.terminate();
  };
  await Promise.all(
    Array.from({ length: availableParallelism() }, async (_, index) =>
      work(await startWorker(path, index)),
    ),
  );
  if (isWrong) return;
  progress('');
  const perMinute = Math.round((done / (performance.now() - startedMs)) * 60_000);
  say(`${done} histories, ${perMinute} a minute, nothing lost, nothing twice. The faults:`);
  say(
    JSON.stringify(
      Object.fromEntries([...faults].sort(([one], [other]) => (one < other ? -1 : 1))),
      null,
      1,
    ),
  );
}

/** The search for one planted bug. */
interface Search {
  readonly plant: PlantedBug;
  /** The kinds of finding that must show the bug. */
  readonly wanted: ReadonlySet<FindingKind>;
  readonly found: Map<FindingKind, number>;
  tried: number;
}

/**
 * Looks for each planted bug in at most `histories` histories, one bug per processor. Prints JSON
 * lines that say which findings showed a bug, and after how many histories.
 */
async function tryEveryPlant(path: string, histories: number): Promise<void> {
  const names = Object.keys(plants) as PlantedBug[];
  const firstSeed = Math.floor(Math.random() * 1e9);
  say(`The first seed is ${firstSeed}`);
  const work = async (index: number) => {
    let worker = await startWorker(path, index);
    for (let plant = names.shift(); plant; plant = names.shift()) {
      const search: Search = {
        plant,
        wanted: new Set(kindsShownBy(plant)),
        found: new Map(),
        tried: 0,
      };
      while (search.tried < histories && !isFound(search)) {
        const task: Task = { seed: firstSeed + search.tried, plant };
        worker.postMessage(task);
        const outcome = await once(worker, 'message').then(
          ([outcome]: Outcome[]) => outcome as Outcome,
          thrown,
        );
        search.tried += 1;
        for (const { kind } of outcome.violations)
          if (!search.found.has(kind)) search.found.set(kind, search.tried);
        if (search.found.has('thrown')) {
          worker = await startWorker(path, index);
          break;
        }
      }
      say(JSON.stringify({ plant, tried: search.tried, found: Object.fromEntries(search.found) }));
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, (_, index) => work(index)));
}

const isFound = ({ wanted, found }: Search) =>
  found.size > 0 && [...wanted].every((kind) => found.has(kind));

/** Starts a worker with a database, a clock and a chance of its own. */
async function startWorker(template: string, index: number): Promise<Worker> {
  const path = `${template}-${index}`;
  await copyFile(template, path);
  return new Worker(new URL('worker.ts', import.meta.url), { workerData: { path } });
}

/** Makes an outcome of what the judge, or the service outside of any promise, has thrown. */
function thrown(error: Error): Outcome {
  return {
    violations: [{ kind: 'thrown', detail: error.stack ?? String(error) }],
    faults: new Map(),
  };
}

function reportWrong(seed: number, { violations }: Outcome, plant: PlantedBug | undefined): void {
  progress('');
  for (const { kind, detail } of violations) say(`${kind}: ${detail}`);
  say(
    `\nThe history of seed ${seed} is wrong. Read it: ` +
      `npm run simulate -- --seed ${seed}${plant ? ` --plant '${plant}'` : ''}`,
  );
  process.exitCode = 1;
}

// The reader of the output has ended, for example `less`.
process.stdout.once('error', () => process.exit());
process.once('SIGINT', () => process.exit(130));

await new Command('simulate')
  .description(
    'Runs the service on simulated machines, logs and databases, and judges each history',
  )
  .addOption(
    new Option('--histories <n>', 'how many histories to run').default(2_000).argParser(parseCount),
  )
  .option('--minutes <n>', 'run for this many minutes instead', parseCount)
  .option('--seed <n>', 'run this history alone, and print it step by step', parseCount)
  .addOption(
    new Option('--plant <bug>', 'put a bug into the service, to see it found').choices(
      Object.keys(plants),
    ),
  )
  .option(
    '--every-plant',
    'look for each of these bugs in at most --histories histories, and print what shows it',
  )
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run simulate -- --minutes 30\n  $ npm run simulate -- --seed 4711 | less',
  )
  .action(main)
  .parseAsync();
