// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { FAULT_POINTS, type FaultPoint } from '../../src/fault-points.ts';
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
import { checkHistory } from '../support/judge/check-history.ts';
import type { LaneCommand } from '../support/judge/evidence.ts';
import { RecoveryTimes } from '../support/recovery-times.ts';
import { ServiceProcess } from '../support/service-process.ts';

/** FAULTS=all runs every cell of the matrix, otherwise each point once. FAULTS_SEED repeats it. */
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
/** Each lane passes these points once. Each delivery passes the later points. */
const OPENING: ReadonlySet<FaultPoint> = new Set(
  FAULT_POINTS.slice(0, FAULT_POINTS.indexOf('delivered')),
);
/** The points within a transaction of the lane's database, and within one of the log. */
const IN_DATABASE = between('lane-locked', 'progress-written');
const IN_LOG = between('transaction-joined', 'offset-sent');
const MOST_PASSINGS = 5;
/** The load: more commands are sent while fewer than these wait. */
const WAITING = 300;
const ROUND = 120;
/** How long to wait for the fault, and for the next owner of a stalled process's lanes. */
const FAULT_MS = 40_000;
/**
 * How the ids end of the orders that a handler fails on, where only a failing handler leads to the
 * point. Each round has one such order, a plain one (command-flow.ts).
 */
const FAILING_ORDERS = '-76';
/** Longer than the 6 s of a session on Kafka, or of a lease on the embedded log. */
const STALL_MS = 9_000;
/** How soon everything ought to be answered after the restart, the error, or the stall's end. */
const TARGET_MS = { kill: 8_000, throw: 10_000, stall: 10_000 };
const REST_MS = 60_000;
const CELL_MS = 180_000;
/** How many lines of each service's output a failed cell prints. */
const LINES = 30;

const brokers = inject('kafkaBrokers');
const postgres = inject('postgresUrl');
const faultyService = fileURLToPath(new URL('../support/faulty-service.ts', import.meta.url));

interface Fault {
  readonly point: FaultPoint;
  readonly kind: (typeof KINDS)[number];
  /** Which passing of the point has the fault, from 1. */
  readonly passing: number;
}

const times = new RecoveryTimes();

type PostgresDatabase = Awaited<ReturnType<typeof postgresDatabase>>;
type Cell = Fault & (typeof BACKENDS)[number];

function between(first: FaultPoint, last: FaultPoint): ReadonlySet<FaultPoint> {
  return new Set(FAULT_POINTS.slice(FAULT_POINTS.indexOf(first), FAULT_POINTS.indexOf(last) + 1));
}

/** Says whether the kind can happen at the point: closing a lane promises not to throw. */
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

/** Says whether the faulty service may fail on the command. */
function isBuggy({ body }: LaneCommand): boolean {
  return String(body.orderid).endsWith(FAILING_ORDERS);
}

/**
 * Takes every point once, in an order by the seed. Kinds and backends take turns, so that every
 * kind meets every backend.
 */
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

/** Says whether a process that stops at the point keeps a SQLite file locked. */
function isLocking({ point, log, database }: Cell): boolean {
  return (
    (database === 'SQLite' && IN_DATABASE.has(point)) || (log !== 'Kafka' && IN_LOG.has(point))
  );
}

/** Says whether the database, the log, or both are in SQLite. */
function hasFile({ log, database }: Cell): boolean {
  return database === 'SQLite' || log !== 'Kafka';
}

function passingOf(point: FaultPoint, index: number): number {
  if (point === 'failure-claimed') return 1;
  return 1 + ((seed + index) % Math.min(passingsOf(point), MOST_PASSINGS));
}

/** Says how often a service passes the point under load, at least. */
function passingsOf(point: FaultPoint): number {
  if (isLeftBehind(point)) return 1;
  return OPENING.has(point) || CLOSING.has(point) ? LANES : Number.POSITIVE_INFINITY;
}

/** Says whether a service passes the point only with what a crash has left. */
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
      `answers all once: ${kind} ${passing} at ${point}, ${log} and ${database}`,
      { concurrent: true, skip: !isThere, timeout: CELL_MS },
      ({ onTestFailed }) => endureCell(cell, onTestFailed),
    );
  }

  it('recovers soon from each fault', () => {
    process.stdout.write(times.text());
    expect(times.complaints()).toEqual([]);
  });
});

/** Runs the service until the fault, then its follower until all is at rest, and asks the judge. */
async function endureCell(cell: Cell, onTestFailed: (handler: () => void) => void): Promise<void> {
  const { point, kind } = cell;
  await using trial = await Trial.open(cell);
  onTestFailed(() => process.stdout.write(trial.output()));
  await trial.bringStock();
  if (point === 'lost-offset-committed') await trial.forgetOffsets();
  if (isLeftBehind(point)) {
    const crash: Fault = { point: 'database-committed', kind: 'kill', passing: 1 };
    await trial.waitForFault(crash, trial.start(crash));
  }
  // The stall waits until the file is unlocked. Otherwise another lane's transaction would keep the
  // next owner from taking over.
  const unlocked = kind === 'stall' && hasFile(cell) && !isLocking(cell) ? trial.file : '';
  const faulty = trial.start(cell, unlocked);
  if (CLOSING.has(point)) await trial.stopAtWork(faulty);
  await trial.waitForFault(cell, faulty);
  const follower = kind === 'throw' ? null : trial.start(null);
  if (follower && kind === 'stall') await trial.waitForFollower(cell, faulty, follower);
  await trial.waitForRecovery(kind);
  await trial.stopAll();
  await trial.expectRightHistory(point);
}

/** A backend, the services on it, and the commands that flow while a test waits. */
class Trial {
  /** The SQLite file of the database, of the log, or of both. */
  readonly file: string;
  readonly #directory: string;
  /** The file whose creation ends a stall. */
  readonly #end: string;
  readonly #server: PostgresDatabase | null;
  readonly #flow: Flow;
  readonly #environment: Record<string, string>;
  readonly #services: ServiceProcess[] = [];
  readonly #living = new Set<ServiceProcess>();
  readonly #stopping = new Map<ServiceProcess, Promise<number | null>>();
  #rounds = 0;
  /** The send that is under way, or null. */
  #sending: Promise<void> | null = null;

  private constructor(directory: string, server: PostgresDatabase | null, isOnKafka: boolean) {
    // Beside PostgreSQL, the embedded log uses this file name by itself.
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

  /** Returns the last lines that each service wrote. */
  output(): string {
    return this.#services.map(({ output }) => `${output.slice(-LINES).join('\n')}\n---\n`).join('');
  }

  /**
   * Starts a service, with a fault in it or without, and does not wait until it is ready.
   * @param unlocked the file that must be unlocked before a stall begins; empty: none
   */
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
    await this.stop(service);
    await this.#send();
  }

  async forgetOffsets(): Promise<void> {
    await this.#flow.forgetOffsets();
  }

  /** Sends commands until the fault has happened. */
  async waitForFault({ point, kind }: Fault, service: ServiceProcess): Promise<void> {
    await this.underLoad(() => expect(service.output).toContain(`The fault: ${kind} at ${point}`));
    if (kind !== 'kill') return;
    await eventually(() => expect(service.signal).toBe('SIGKILL'));
    this.#living.delete(service);
  }

  /**
   * Ends the stall when the session of the stalled process is over. Where no file is locked,
   * another process must own all lanes first.
   */
  async waitForFollower(
    cell: Cell,
    stalled: ServiceProcess,
    follower: ServiceProcess,
  ): Promise<void> {
    if (isLocking(cell) || stalled.output.includes('The file is locked')) {
      await sleep(STALL_MS);
    } else {
      await follower.ready();
      await this.underLoad(async () => expect(await lanesAtWork(follower.url)).toBe(LANES));
    }
    await writeFile(this.#end, '');
    await eventually(() => expect(stalled.output).toContain('The stall is over'));
  }

  /** Waits until all commands sent before the end of the fault are answered, and notes the time. */
  async waitForRecovery(kind: Fault['kind']): Promise<void> {
    const beginMs = Date.now();
    await this.#sending;
    await eventually(() => this.#send());
    await this.#waitForAnswers();
    times.add(kind, Date.now() - beginMs, TARGET_MS[kind]);
  }

  /** Tells the service to stop while commands wait. */
  async stopAtWork(service: ServiceProcess): Promise<void> {
    await service.ready();
    await workingLanes(service.url, LANES);
    await this.underLoad(async () => expect(await this.#flow.lag()).toBeLessThan(this.#flow.sent));
    this.#stopping.set(service, service.stop());
  }

  /**
   * Sends commands while the check fails. A send waits while a stalled process has the embedded
   * log's file locked, so the check does not wait for the send.
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

  /** Stops every service, and expects each to end with 0. */
  async stopAll(): Promise<void> {
    // A service that waited for the log's file may not be ready yet. Until then, a signal would end
    // it as it ends any program.
    await Promise.all([...this.#living].map((service) => service.ready()));
    await Promise.all([...this.#living].map((service) => this.stop(service)));
  }

  /** Stops the service with one signal only: a second one would end it at once. */
  async stop(service: ServiceProcess): Promise<void> {
    expect(await (this.#stopping.get(service) ?? service.stop())).toBe(0);
    this.#living.delete(service);
  }

  async expectRightHistory(point: FaultPoint): Promise<void> {
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

  /** Sends a round. A send that fails is left out: the next one keeps the load up. */
  async #sendBeside(): Promise<void> {
    await this.#send().catch(() => {});
    this.#sending = null;
  }

  async #waitForAnswers(): Promise<void> {
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
