// @module-tag db
// @module-tag kafka
// @module-tag slow

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { FAULT_POINTS, type FaultPoint } from '../../src/fault-points.ts';
import { checkHistory, type LaneCommand } from '../support/check-history.ts';
import {
  CommandFlow,
  type Flow,
  LANES,
  lanesAtWork,
  workingLanes,
} from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { EmbeddedFlow } from '../support/embedded-flow.ts';
import { eventually } from '../support/eventually.ts';
import { RecoveryTimes } from '../support/recovery-times.ts';
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

const CLOSING: ReadonlySet<FaultPoint> = new Set([
  'partition-revoked',
  'relay-drained',
  'outbox-emptied',
]);
/** Once for each lane; after that, once for each delivery. */
const OPENING: ReadonlySet<FaultPoint> = new Set(
  FAULT_POINTS.slice(0, FAULT_POINTS.indexOf('delivered')),
);
/** Within a transaction of the lane's database, and of the log. */
const IN_DATABASE = between('lane-locked', 'progress-written');
const IN_LOG = between('transaction-joined', 'offset-sent');
const MOST_PASSINGS = 5;
/** The load: while fewer commands than that wait, more are sent. */
const WAITING = 300;
const ROUND = 120;
/** How long the fault may be in coming, and the next owner of a stalled one's lanes. */
const FAULT_MS = 40_000;
/** One of each round, a plain one (command-flow.ts), where only a failing handler leads to the point. */
const FAILING_ORDERS = '-76';
/** Past the 6 seconds of a session (kafka-consumer.ts) or lease (embedded-consumer.ts). */
const STALL_MS = 9_000;
/** Within which everything ought to be answered: from the restart, the error, the waking up. */
const TARGET_MS = { kill: 8_000, throw: 10_000, stall: 10_000 };
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

const times = new RecoveryTimes();

type PostgresDatabase = Awaited<ReturnType<typeof postgresDatabase>>;
type Cell = Fault & (typeof BACKENDS)[number];

function between(first: FaultPoint, last: FaultPoint): ReadonlySet<FaultPoint> {
  return new Set(FAULT_POINTS.slice(FAULT_POINTS.indexOf(first), FAULT_POINTS.indexOf(last) + 1));
}

/** The end of an owner promises not to fail: nothing there can throw. */
const isPossible = ({
  point,
  kind,
}: {
  readonly point: FaultPoint;
  readonly kind: Fault['kind'];
}) => kind !== 'throw' || !CLOSING.has(point);

function whole(): readonly Cell[] {
  const cells = BACKENDS.flatMap((backend) =>
    FAULT_POINTS.flatMap((point) => KINDS.map((kind) => ({ ...backend, point, kind }))),
  );
  return cells
    .filter(isPossible)
    .map((cell, index) => ({ ...cell, passing: passingOf(cell.point, index) }));
}

/** Whether the faulty service may fail on it. */
function isBuggy({ body }: LaneCommand): boolean {
  return String(body.orderid).endsWith(FAILING_ORDERS);
}

/** Every point once, in an order by the seed; kinds and backends in turn, so that every kind meets every backend. */
function sample(): readonly Cell[] {
  const [points = []] = fc.sample(
    fc.shuffledSubarray([...FAULT_POINTS], { minLength: FAULT_POINTS.length }),
    { seed, numRuns: 1 },
  );
  return points.map((point, index) => {
    const kind = KINDS[index % KINDS.length] as Fault['kind'];
    const backend = BACKENDS[index % BACKENDS.length] as (typeof BACKENDS)[number];
    return {
      ...backend,
      point,
      kind: isPossible({ point, kind }) ? kind : 'kill',
      passing: passingOf(point, index),
    };
  });
}

/** Whoever stops there has a SQLite file locked: nobody can take over. */
function isLocking({ point, log, database }: Cell): boolean {
  return (
    (database === 'SQLite' && IN_DATABASE.has(point)) || (log !== 'Kafka' && IN_LOG.has(point))
  );
}

/** In SQLite: the database, the log, or both. */
function hasFile({ log, database }: Cell): boolean {
  return database === 'SQLite' || log !== 'Kafka';
}

function passingOf(point: FaultPoint, index: number): number {
  if (point === 'failure-claimed') return 1;
  return 1 + ((seed + index) % Math.min(passingsOf(point), MOST_PASSINGS));
}

/** How often a service passes the point at least, while the load is on. */
function passingsOf(point: FaultPoint): number {
  if (isLeftBehind(point)) return 1;
  return OPENING.has(point) || CLOSING.has(point) ? LANES : Number.POSITIVE_INFINITY;
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

  it('recovers soon from each', () => {
    process.stdout.write(times.text());
    expect(times.complaints()).toEqual([]);
  });
});

/** Runs the service until the fault, and whoever follows it until everything is at rest, and judges what is left. */
async function endsWell(cell: Cell, onTestFailed: (handler: () => void) => void): Promise<void> {
  const { point, kind } = cell;
  await using trial = await Trial.open(cell);
  onTestFailed(() => process.stdout.write(trial.output()));
  await trial.bringStock();
  if (point === 'lost-offset-committed') await trial.forgetOffsets();
  if (isLeftBehind(point)) {
    const crash: Fault = { point: 'database-committed', kind: 'kill', passing: 1 };
    await trial.happens(crash, trial.start(crash));
  }
  // Else another lane's transaction would keep the next owner from taking over, too.
  const unlocked = kind === 'stall' && hasFile(cell) && !isLocking(cell) ? trial.file : '';
  const faulty = trial.start(cell, unlocked);
  if (CLOSING.has(point)) await trial.stopAtWork(faulty);
  await trial.happens(cell, faulty);
  const follower = kind === 'throw' ? null : trial.start(null);
  if (follower && kind === 'stall') await trial.isFollowed(cell, faulty, follower);
  await trial.recovers(kind);
  await trial.rests();
  await trial.isRight(point);
}

/** A backend, the services on it, and commands that flow while something is waited for. */
class Trial {
  /** SQLite's, of the database or of the log or of both. */
  readonly file: string;
  readonly #directory: string;
  /** Comes into being when a stall is to end. */
  readonly #end: string;
  readonly #server: PostgresDatabase | null;
  readonly #flow: Flow;
  readonly #environment: Record<string, string>;
  readonly #services: ServiceProcess[] = [];
  readonly #living = new Set<ServiceProcess>();
  readonly #stopping = new Map<ServiceProcess, Promise<number | null>>();
  #rounds = 0;
  /** The send that is under way; null: none. */
  #sending: Promise<void> | null = null;

  private constructor(directory: string, server: PostgresDatabase | null, isOnKafka: boolean) {
    // The embedded log's place beside PostgreSQL, too.
    this.file = join(directory, 'cosmicpython.db');
    this.#end = join(directory, 'end');
    const file = `sqlite:///${this.file}`;
    this.#directory = directory;
    this.#server = server;
    this.#flow = isOnKafka ? new CommandFlow(brokers ?? '') : new EmbeddedFlow(file);
    this.#environment = {
      ...this.#flow.names(),
      DATABASE_URL: server?.url ?? file,
      ...(isOnKafka ? { KAFKA_BROKERS: brokers ?? '' } : {}),
    };
  }

  static async open({ log, database }: Cell): Promise<Trial> {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    const trial = new Trial(
      directory,
      database === 'PostgreSQL' ? await postgresDatabase() : null,
      log === 'Kafka',
    );
    await trial.#flow.connect();
    return trial;
  }

  /** The end of what each service wrote. */
  output(): string {
    return this.#services.map(({ output }) => `${output.slice(-LINES).join('\n')}\n---\n`).join('');
  }

  /** Starts a service, with a fault in it or without; does not wait for it. @param unlocked a stall waits until this file is */
  start(fault: Fault | null, unlocked = ''): ServiceProcess {
    const service = fault
      ? ServiceProcess.spawn(
          {
            ...this.#environment,
            ...asVariables(fault),
            FAULT_END: this.#end,
            FAULT_UNLOCKED: unlocked,
          },
          this.#directory,
          [process.execPath, faultyService],
        )
      : ServiceProcess.spawn(this.#environment, this.#directory);
    this.#services.push(service);
    this.#living.add(service);
    return service;
  }

  async bringStock(): Promise<void> {
    const service = this.start(null);
    await service.ready();
    await this.#flow.bringStock();
    await this.ends(service);
    await this.#send();
  }

  async forgetOffsets(): Promise<void> {
    await this.#flow.forgetOffsets();
  }

  /** Resolves when the fault has happened. */
  async happens({ point, kind }: Fault, service: ServiceProcess): Promise<void> {
    await this.underLoad(() => expect(service.output).toContain(`The fault: ${kind} at ${point}`));
    if (kind !== 'kill') return;
    await eventually(() => expect(service.signal).toBe('SIGKILL'));
    this.#living.delete(service);
  }

  /** Lets a stalled process sleep until its session is over, and another has taken over all lanes if nothing is locked. */
  async isFollowed(cell: Cell, stalled: ServiceProcess, follower: ServiceProcess): Promise<void> {
    if (isLocking(cell) || stalled.output.includes('The file is locked')) {
      await sleep(STALL_MS);
    } else {
      await follower.ready();
      await this.underLoad(async () => expect(await lanesAtWork(follower.url)).toBe(LANES));
    }
    await writeFile(this.#end, '');
    await eventually(() => expect(stalled.output).toContain('The stall is over'));
  }

  /** Resolves when everything that was sent until the fault was over is answered. */
  async recovers(kind: Fault['kind']): Promise<void> {
    const beginMs = Date.now();
    await this.#sending;
    await eventually(() => this.#send());
    await this.#isIdle();
    times.add(kind, Date.now() - beginMs, TARGET_MS[kind]);
  }

  /** Tells it to stop while commands wait. */
  async stopAtWork(service: ServiceProcess): Promise<void> {
    await service.ready();
    await workingLanes(service.url, LANES);
    await this.underLoad(async () => expect(await this.#flow.lag()).toBeLessThan(this.#flow.sent));
    this.#stopping.set(service, service.stop());
  }

  /**
   * Sends commands while the check fails. A send waits while a stalled process has the embedded log's
   * file locked, so the check does not wait for it.
   */
  async underLoad(check: () => void | Promise<void>): Promise<void> {
    const checkOrSend = async () => {
      try {
        await check();
      } catch (error) {
        if (!this.#sending && (await this.#flow.lag()) < WAITING)
          this.#sending = this.#sendBeside();
        throw error;
      }
    };
    await eventually(checkOrSend, { withinMs: FAULT_MS });
  }

  /** Every service ends as it should. */
  async rests(): Promise<void> {
    // One that waited for the log's file may not have begun: a signal would end it as it ends any program.
    await Promise.all([...this.#living].map((service) => service.ready()));
    await Promise.all([...this.#living].map((service) => this.ends(service)));
  }

  /** Tells it to stop, once: a second signal would end it at once. */
  async ends(service: ServiceProcess): Promise<void> {
    expect(await (this.#stopping.get(service) ?? service.stop())).toBe(0);
    this.#living.delete(service);
  }

  async isRight(point: FaultPoint): Promise<void> {
    const history = await this.#flow.history(this.#environment.DATABASE_URL ?? '');
    expect(history.commands).toHaveLength(this.#flow.sent);
    expect(
      checkHistory(
        history,
        point === 'failure-claimed' ? { mayFail: isBuggy, mayStayParked: true } : {},
      ),
    ).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#services.map((service) => service.stop('SIGKILL')));
    await this.#flow.disconnect();
    await this.#server?.remove();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #send(): Promise<void> {
    this.#rounds += 1;
    await this.#flow.send(this.#rounds, ROUND);
  }

  /** A send that fails is left out: the next one keeps the load up. */
  async #sendBeside(): Promise<void> {
    await this.#send().catch(() => {});
    this.#sending = null;
  }

  async #isIdle(): Promise<void> {
    await eventually(async () => expect(await this.#flow.lag()).toBe(0), { withinMs: REST_MS });
  }
}

function asVariables({ point, kind, passing }: Fault): Record<string, string> {
  return {
    FAULT_POINT: point,
    FAULT_KIND: kind,
    FAULT_PASSING: String(passing),
    FAULT_PASSINGS: String(passingsOf(point)),
    FAULT_ORDERS: point === 'failure-claimed' ? FAILING_ORDERS : '',
  };
}
