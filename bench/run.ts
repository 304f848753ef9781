import { cpus, totalmem } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { Database } from '../src/adapters/database/database.ts';
import { startKafka } from '../test/support/kafka.ts';
import { startPostgres } from '../test/support/postgres.ts';
import type { BackendName, Servers } from './backend.ts';
import { measureLatency } from './latency.ts';
import { measureStartUp } from './start-up.ts';
import { measureThroughput } from './throughput.ts';

const CASES = ['throughput', 'throughput-postgresql', 'throughput-embedded', 'latency-50', 'latency-1000', 'start-up'] as const;
type Case = (typeof CASES)[number];
type Figures = Readonly<Record<string, number>>;

const options = new Command('bench')
  .description('measures the service as its users run it: a process of its own, real Kafka, everything on')
  .option('--cases <names>', `comma-separated: ${CASES.join(', ')}`, asCases, [...CASES])
  .option('--commands <count>', 'commands of a throughput run', asCount, 200_000)
  .option('--runs <count>', 'runs of each case', asCount, 3)
  .option('--seconds <count>', 'length of a latency run', asCount, 20)
  .option('--json', 'one JSON object instead of a table')
  .addHelpText('after', '\nExamples:\n  $ npm run bench\n  $ npm run bench -- --cases throughput --commands 1000000 --runs 5')
  .parse()
  .opts<{ cases: Case[]; commands: number; runs: number; seconds: number; json?: true }>();

const kafka = await startKafka();
const postgres = options.cases.includes('throughput-postgresql') ? await startPostgres() : null;
const servers: Servers = { kafkaBrokers: kafka.brokers, createPostgres: postgres && (() => createDatabase(postgres.url)) };
const results: Record<string, Record<string, { median: number; least: number; most: number }>> = {};
try {
  for (const name of options.cases) {
    const runs: Figures[] = [];
    for (let run = 1; run <= options.runs; run += 1) runs.push(await measure(name, (text) => progress(`${name}, run ${run}: ${text}`)));
    results[name] = summarised(runs);
  }
} finally {
  progress('');
  await Promise.all([kafka.stop(), postgres?.stop()]);
}
report();

async function measure(name: Case, onProgress: (text: string) => void): Promise<Figures> {
  const { commands, seconds } = options;
  const throughput = async (backend: BackendName) => ({ ...(await measureThroughput(backend, servers, commands, onProgress)) });
  switch (name) {
    case 'throughput':
      return throughput('kafka+sqlite');
    case 'throughput-postgresql':
      return throughput('kafka+postgresql');
    case 'throughput-embedded':
      return throughput('embedded+sqlite');
    case 'latency-50':
      return { ...(await measureLatency('kafka+sqlite', servers, 50, seconds, onProgress)) };
    case 'latency-1000':
      return { ...(await measureLatency('kafka+sqlite', servers, 1_000, seconds, onProgress)) };
    case 'start-up':
      return { readyMs: await measureStartUp(servers) };
  }
}

function summarised(runs: readonly Figures[]) {
  const figures = Object.keys(runs[0] ?? {});
  return Object.fromEntries(
    figures.map((figure) => {
      const sorted = runs.map((run) => run[figure] ?? Number.NaN).sort((a, b) => a - b);
      return [figure, { median: sorted[Math.floor(sorted.length / 2)] ?? 0, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 }];
    }),
  );
}

function report(): void {
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const settings = 'broker on the same machine, 4 partitions, acks=all, exactly once on; SQLite: WAL, synchronous=FULL';
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ machine, settings, commands: options.commands, runs: options.runs, results })}\n`);
    return;
  }
  process.stdout.write(`${machine}\n${settings}\n\n| case | figure | median of ${options.runs} | least | most |\n|---|---|---|---|---|\n`);
  for (const [name, figures] of Object.entries(results)) {
    for (const [figure, { median, least, most }] of Object.entries(figures)) {
      process.stdout.write(
        `| ${name} | ${figure} | ${median.toLocaleString('en')} | ${least.toLocaleString('en')} | ${most.toLocaleString('en')} |\n`,
      );
    }
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}

async function createDatabase(server: string): Promise<string> {
  const database = await Database.open(server);
  const name = `bench_${crypto.randomUUID().slice(0, 8)}`;
  await database.query(`create database ${name}`);
  await database.close();
  return Object.assign(new URL(server), { pathname: `/${name}` }).href;
}

function asCases(text: string): Case[] {
  const names = text.split(',').map((each) => CASES.find((name) => name === each.trim()));
  if (names.includes(undefined)) throw new InvalidArgumentError(`Choose among ${CASES.join(', ')}.`);
  return names as Case[];
}

function asCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Must be a whole number above 0.');
  return Number(text);
}
