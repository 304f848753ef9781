import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { FAULT_POINTS, type FaultPoint } from '../../src/fault-points.ts';
import { checkHistory } from '../support/check-history.ts';
import { CommandFlow, type Flow, LANES, SKUS, workingLanes } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { EmbeddedFlow } from '../support/embedded-flow.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

/** FAULTS=all: every cell of the matrix; else each point once. To repeat a failure: FAULTS_SEED=… */
const isWhole = process.env.FAULTS === 'all';
const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));

const KINDS = ['kill', 'throw', 'stall'] as const;
const BACKENDS = [
  { log: 'the embedded log', database: 'SQLite' },
  { log: 'the embedded log', database: 'PostgreSQL' },
  { log: 'Kafka', database: 'SQLite' },
  { log: 'Kafka', database: 'PostgreSQL' },
] as const;

const CLOSING: ReadonlySet<FaultPoint> = new Set(['partition-revoked', 'relay-drained']);
/** Once for each lane; after that, once for each delivery. */
const OPENING: ReadonlySet<FaultPoint> = new Set(FAULT_POINTS.slice(0, FAULT_POINTS.indexOf('delivered')));
const MOST_PASSINGS = 5;
/** The load: while fewer commands than that wait, more are sent. */
const WAITING = 300;
const ROUND = 120;
/** How long the fault may be in coming, and the end of everything. */
const FAULT_MS = 40_000;
const REST_MS = 60_000;
const CELL_MS = 180_000;
/** Of each service's output, when a cell fails. */
const LINES = 30;

const brokers = inject('kafkaBrokers');
const postgres = inject('postgresUrl');
const faultyService = fileURLToPath(new URL('../support/faulty-service.ts', import.meta.url));

interface Fault {
  readonly point: FaultPoint;
  readonly kind: (typeof KINDS)[number];
  /** The n-th passing of the point is the fault. */
  readonly passing: number;
}

type Cell = Fault & (typeof BACKENDS)[number];

/** The end of an owner promises not to fail: nothing there can throw. */
const isPossible = ({ point, kind }: { readonly point: FaultPoint; readonly kind: Fault['kind'] }) =>
  kind !== 'throw' || !CLOSING.has(point);

function whole(): readonly Cell[] {
  const cells = BACKENDS.flatMap((backend) => FAULT_POINTS.flatMap((point) => KINDS.map((kind) => ({ ...backend, point, kind }))));
  return cells.filter(isPossible).map((cell, index) => ({ ...cell, passing: passingOf(cell.point, index) }));
}

/** Every point once, in an order by the seed; kinds and backends in turn, so that every kind meets every backend. */
function sample(): readonly Cell[] {
  const [points = []] = fc.sample(fc.shuffledSubarray([...FAULT_POINTS], { minLength: FAULT_POINTS.length }), { seed, numRuns: 1 });
  return points.map((point, index) => {
    const kind = KINDS[index % KINDS.length] as Fault['kind'];
    const backend = BACKENDS[index % BACKENDS.length] as (typeof BACKENDS)[number];
    return { ...backend, point, kind: isPossible({ point, kind }) ? kind : 'kill', passing: passingOf(point, index) };
  });
}

function passingOf(point: FaultPoint, index: number): number {
  if (isLeftBehind(point)) return 1;
  return 1 + ((seed + index) % (OPENING.has(point) || CLOSING.has(point) ? LANES : MOST_PASSINGS));
}

/** Passed only with what a crash has left. */
function isLeftBehind(point: FaultPoint): boolean {
  return point.startsWith('left-behind');
}

describe(`the service under load, with a fault between two steps (FAULTS_SEED=${seed})`, () => {
  beforeAll(() => {
    process.stdout.write(`FAULTS_SEED=${seed}\n`);
  });

  for (const cell of isWhole ? whole() : sample()) {
    const { point, kind, passing, log, database } = cell;
    const isThere = (log !== 'Kafka' || brokers) && (database !== 'PostgreSQL' || postgres);
    it(
      `answers every command once: ${kind} at passing ${passing} of ${point}, on ${log} and ${database}`,
      { concurrent: true, skip: !isThere, timeout: CELL_MS },
      ({ onTestFailed }) => endsWell(cell, onTestFailed),
    );
  }
});

/** Runs the service until the fault, whoever follows it until everything is at rest, and judges what is left. */
async function endsWell(cell: Cell, onTestFailed: (handler: () => void) => void): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { point, kind, log, database } = cell;
  const directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  // The embedded log's place beside PostgreSQL, too.
  const file = `sqlite:///${join(directory, 'cosmicpython.db')}`;
  const server = database === 'PostgreSQL' ? await postgresDatabase() : null;
  if (server) stack.defer(server.remove);
  const databaseUrl = server?.url ?? file;
  const flow = log === 'Kafka' ? new CommandFlow(brokers ?? '') : new EmbeddedFlow(file);
  const load = new Load(flow);
  const environment = { ...flow.names(), DATABASE_URL: databaseUrl, ...(log === 'Kafka' ? { KAFKA_BROKERS: brokers ?? '' } : {}) };
  const services: ServiceProcess[] = [];
  const living = new Set<ServiceProcess>();
  onTestFailed(() => process.stdout.write(`${services.map(({ output }) => output.slice(-LINES).join('\n')).join('\n---\n')}\n`));
  const start = (fault: Fault | null) => {
    const service = stack.use(
      fault
        ? ServiceProcess.spawn({ ...environment, ...asVariables(fault) }, directory, [process.execPath, faultyService])
        : ServiceProcess.spawn(environment, directory),
    );
    services.push(service);
    living.add(service);
    return service;
  };
  const happens = async (fault: Fault, service: ServiceProcess) => {
    await load.until(() => expect(service.output).toContain(`The fault: ${fault.kind} at ${fault.point}`));
    if (fault.kind !== 'kill') return;
    await eventually(() => expect(service.signal).toBe('SIGKILL'));
    living.delete(service);
  };
  const stops = async (service: ServiceProcess) => {
    expect(await service.stop()).toBe(0);
    living.delete(service);
  };

  await flow.connect();
  stack.defer(() => flow.disconnect());
  // An order of several products that finds one not there yet has no place in the sequences: the judge could not tell when it was.
  const first = start(null);
  await first.ready();
  await flow.send(0, SKUS);
  await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: REST_MS });
  await stops(first);
  await load.send();
  if (isLeftBehind(point)) {
    const crash: Fault = { point: 'database-committed', kind: 'kill', passing: 1 };
    await happens(crash, start(crash));
  }
  const faulty = start(cell);
  if (CLOSING.has(point)) {
    await faulty.ready();
    await workingLanes(faulty.url, LANES);
    await load.until(async () => expect(await flow.lag()).toBeLessThan(flow.sent));
    faulty.send('SIGTERM');
  }
  await happens(cell, faulty);
  // Beside a stalled process another takes over, where that does not hold SQLite's only lock.
  const hasNext = kind === 'kill' || (kind === 'stall' && database === 'PostgreSQL');
  if (hasNext) start(null);
  if (kind === 'stall') await load.until(() => expect(faulty.output).toContain('The stall is over'));
  if (kind === 'stall' && CLOSING.has(point) && !hasNext) {
    await eventually(() => expect(faulty.exitCode).toBe(0), { withinMs: REST_MS });
    start(null);
  }
  await eventually(() => load.send());
  await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: REST_MS });
  await Promise.all([...living].map(stops));
  const history = await flow.history(databaseUrl);
  expect(history.commands).toHaveLength(flow.sent);
  expect(history.deadLetters).toEqual([]);
  expect(checkHistory(history)).toEqual([]);
}

function asVariables({ point, kind, passing }: Fault): Record<string, string> {
  return { FAULT_POINT: point, FAULT_KIND: kind, FAULT_PASSING: String(passing) };
}

/** Commands flow while something is waited for. */
class Load {
  readonly #flow: Flow;
  #rounds = 0;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  /** Also while the embedded log's file is locked: then it tries again. */
  async until(check: () => void | Promise<void>): Promise<void> {
    const sendAndCheck = async () => {
      if ((await this.#flow.lag()) < WAITING) await this.send();
      await check();
    };
    await eventually(sendAndCheck, { withinMs: FAULT_MS });
  }

  async send(): Promise<void> {
    this.#rounds += 1;
    await this.#flow.send(this.#rounds, ROUND);
  }
}
