import { rmSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { Database } from '../../src/adapters/database/database.ts';
import { type Outcome, simulate } from './history.ts';
import { type PlantedBug, plants } from './planted-bugs.ts';

interface Options {
  readonly histories: string;
  readonly minutes?: string;
  readonly seed?: string;
  readonly plant?: PlantedBug;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs histories until the number or the time is up, or one of them is wrong. */
async function main({ histories, minutes, seed, plant }: Options): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-simulation-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const template = join(directory, 'template.db');
  const database = await Database.open(`sqlite:///${template}`);
  await database.runMigrations();
  await database.close();
  const startedMs = performance.now();
  const isOver = (done: number) =>
    minutes === undefined ? done >= Number(histories) : performance.now() - startedMs > Number(minutes) * 60_000;
  const firstSeed = Number(seed ?? Math.floor(Math.random() * 1e9));
  const faults = new Map<string, number>();
  say(`The first seed is ${firstSeed}`);
  let done = 0;
  for (; seed === undefined ? !isOver(done) : done === 0; done += 1) {
    const file = join(directory, `${done}.db`);
    await copyFile(template, file);
    const outcome = await simulate(firstSeed + done, file, seed === undefined ? undefined : say, plant);
    for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true });
    for (const [fault, count] of outcome.faults) faults.set(fault, (faults.get(fault) ?? 0) + count);
    if (outcome.violations.length > 0) return fail(firstSeed + done, outcome, plant);
  }
  const perMinute = Math.round((done / (performance.now() - startedMs)) * 60_000);
  say(`${done} histories, ${perMinute} a minute, nothing lost, nothing twice; through these faults:`);
  say(JSON.stringify(Object.fromEntries([...faults].sort(([one], [other]) => (one < other ? -1 : 1))), null, 1));
}

function fail(seed: number, { violations }: Outcome, plant: PlantedBug | undefined): void {
  for (const { kind, detail } of violations) say(`${kind}: ${detail}`);
  say(`\nThe history of seed ${seed} is wrong. Read it: npm run simulate -- --seed ${seed}${plant ? ` --plant '${plant}'` : ''}`);
  process.exitCode = 1;
}

// Whoever read along has read enough.
process.stdout.once('error', () => process.exit());
process.once('SIGINT', () => process.exit(130));

await new Command('simulate')
  .description('runs the service on simulated machines, logs and databases, with faults, and judges each history')
  .addOption(new Option('--histories <n>', 'how many').default('2000'))
  .option('--minutes <n>', 'run for so long instead')
  .option('--seed <n>', 'run this history alone, and tell it')
  .addOption(new Option('--plant <bug>', 'put a bug into the service, to see it found').choices(Object.keys(plants)))
  .addHelpText('after', '\nExamples:\n  $ npm run simulate -- --minutes 30\n  $ npm run simulate -- --seed 4711 | less')
  .action(main)
  .parseAsync();
