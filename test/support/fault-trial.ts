import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, inject } from 'vitest';
import type { FaultPoint } from '../../src/fault-points.ts';
import { CommandFlow, type Flow, LANES, lanesAtWork, workingLanes } from './command-flow.ts';
import { postgresDatabase } from './databases.ts';
import { EmbeddedFlow } from './embedded-flow.ts';
import { eventually } from './eventually.ts';
import { type Cell, type Fault, isLocking, passingsOf } from './fault-cells.ts';
import { checkHistory } from './judge/check-history.ts';
import type { LaneCommand } from './judge/evidence.ts';
import { ServiceProcess } from './service-process.ts';

/** The load: more commands are sent while fewer than these wait. */
const WAITING = 300;
const ROUND = 120;
/** How long to wait for the fault, and for the next owner of a stalled process's lanes. */
const FAULT_MS = 40_000;
/** Longer than the 6 s of a session on Kafka, or of a lease on the embedded log. */
const STALL_MS = 9_000;
const REST_MS = 60_000;
/**
 * How the ids end of the orders that a handler fails on, where only a failing handler leads to the
 * point. Each round has one such order, a plain one (command-flow.ts).
 */
const FAILING_ORDERS = '-76';
/** How many lines of each service's output a failed cell prints. */
const LINES = 30;

const brokers = inject('kafkaBrokers');
const faultyService = fileURLToPath(new URL('faulty-service.ts', import.meta.url));

type PostgresDatabase = Awaited<ReturnType<typeof postgresDatabase>>;

/** Says whether the faulty service may fail on the command. */
function isBuggy({ body }: LaneCommand): boolean {
  return String(body.orderid).endsWith(FAILING_ORDERS);
}

/** A backend, the services on it, and the commands that flow while a test waits. */
export class Trial {
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

  /**
   * Waits until all commands sent before the end of the fault are answered.
   * @returns how long that took, in ms
   */
  async waitForRecovery(): Promise<number> {
    const beginMs = Date.now();
    await this.#sending;
    await eventually(() => this.#send());
    await this.#waitForAnswers();
    return Date.now() - beginMs;
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
