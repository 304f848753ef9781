import { Command, InvalidArgumentError } from 'commander';
import { Database } from '../src/adapters/database/database.ts';
import { startKafka } from '../test/support/kafka.ts';
import { type PostgresServer, startPostgres } from '../test/support/postgres.ts';
import { type Case, type Contender, cases, type Figures } from './cases.ts';
import { kafkaStreams } from './peers/kafka-streams/peer.ts';
import { kafkaStreamsEqual } from './peers/kafka-streams-equal/peer.ts';
import { kafkajsPerMessage } from './peers/kafkajs-per-message/peer.ts';
import { nestjs } from './peers/nestjs/peer.ts';
import { type Peer, preparePeer } from './peers/peer.ts';
import { asJson, asTable, type Row } from './report.ts';
import { twin } from './twin/peer.ts';

const names = Object.keys(cases) as (keyof typeof cases)[];
const allPeers: Readonly<Record<string, Peer>> = {
  twin,
  'kafka-streams': kafkaStreams,
  'kafka-streams-equal': kafkaStreamsEqual,
  'kafkajs-per-message': kafkajsPerMessage,
  nestjs,
};

const options = new Command('bench')
  .description(
    'Measures the service as its users run it, and its peers beside it. ' +
      'The service is a process of its own on real Kafka, with everything on.',
  )
  .option('--cases <names>', `comma-separated: ${names.join(', ')}`, chosenFrom(names), names)
  .option(
    '--peers <names>',
    `comma-separated: ${Object.keys(allPeers).join(', ')}, or none`,
    chosenFrom(Object.keys(allPeers), 'none'),
    Object.keys(allPeers),
  )
  .option(
    '--commands <count>',
    'orders of a throughput run; the other cases take a fifth',
    asCount,
    1_000_000,
  )
  .option('--runs <count>', 'runs of each case', asCount, 3)
  .option('--seconds <count>', 'length of a latency run', asCount, 20)
  .option('--json', 'one JSON object instead of a table')
  .addHelpText(
    'after',
    `
Examples:
  $ npm run bench
  $ npm run bench -- --cases throughput --peers kafka-streams --runs 5
  $ npm run bench -- --cases throughput --peers kafka-streams,kafka-streams-equal
  $ npm run bench -- --cases spread,hot-sku --commands 500000 --peers none`,
  )
  .parse()
  .opts<{
    cases: (keyof typeof cases)[];
    peers: string[];
    commands: number;
    runs: number;
    seconds: number;
    json?: true;
  }>();

const { peers, absent } = await preparedPeers();
const rows: Row[] = [];
const kafka = await startKafka();
let postgres: PostgresServer | null = null;
const servers = { kafkaBrokers: kafka.brokers, createPostgres: createDatabase };
try {
  // Run by run, so that compared figures are measured close together.
  const runs = new Map<string, Map<Contender, Figures[]>>(
    options.cases.map((name) => [name, new Map()]),
  );
  for (let run = 1; run <= options.runs; run += 1) {
    for (const name of options.cases) {
      const { measure }: Case = cases[name];
      const setting = { ...options, servers, peers };
      for (const [contender, figures] of await measure(setting, (text) =>
        progress(`run ${run}, ${name}: ${text}`),
      )) {
        runs.get(name)?.set(contender, [...(runs.get(name)?.get(contender) ?? []), figures]);
        finished(
          `run ${run} of ${options.runs}, ${name}, ${contender?.name ?? 'the service'}: ` +
            JSON.stringify(figures),
        );
      }
    }
  }
  for (const [name, contenders] of runs) {
    for (const [contender, figures] of contenders) {
      const { comparedWith }: Case = cases[name as keyof typeof cases];
      const other = contender ? contenders.get(null) : runs.get(comparedWith ?? '')?.get(null);
      rows.push({
        name,
        contender: contender?.name ?? 'the service',
        runs: figures,
        other: other ?? null,
        isPeer: contender !== null,
      });
    }
  }
} finally {
  progress('');
  await Promise.all([kafka.stop(), (postgres as PostgresServer | null)?.stop()]);
}
const { commands, runs, seconds } = options;
const results = {
  options: { commands, runs, seconds },
  absent,
  peers: peers.map(({ name, doesNot }) => ({ name, doesNot })),
  rows,
};
process.stdout.write(options.json ? asJson(results) : asTable(results));

async function preparedPeers(): Promise<{
  readonly peers: readonly Peer[];
  readonly absent: readonly string[];
}> {
  const ready: Peer[] = [];
  const absent: string[] = [];
  for (const peer of options.peers.flatMap((name) => allPeers[name] ?? [])) {
    progress(`building ${peer.name}`);
    const why = await preparePeer(peer);
    if (why === null) ready.push(peer);
    else absent.push(`${peer.name}: ${why}`);
  }
  return { peers: ready, absent };
}

async function createDatabase(): Promise<string> {
  postgres ??= await startPostgres();
  const database = await Database.open(postgres.url);
  const name = `bench_${crypto.randomUUID().slice(0, 8)}`;
  await database.query(`create database ${name}`);
  await database.close();
  return Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}

function finished(text: string): void {
  progress('');
  process.stderr.write(`${text}\n`);
}

function chosenFrom<T extends string>(known: readonly T[], none?: string): (text: string) => T[] {
  return (text) => {
    if (text === none) return [];
    const chosen = text.split(',').map((each) => known.find((name) => name === each.trim()));
    if (chosen.includes(undefined))
      throw new InvalidArgumentError(`Choose among ${known.join(', ')}.`);
    return chosen as T[];
  };
}

function asCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Must be a whole number above 0.');
  return Number(text);
}
