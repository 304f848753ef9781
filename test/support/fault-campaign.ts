import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../src/adapters/database/database.ts';
import { judge } from './campaign-verdict.ts';
import { CommandFlow, lanesAtWork } from './command-flow.ts';
import { eventually } from './eventually.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import type { TestKafka } from './kafka.ts';
import { freePort } from './kafka-broker.ts';
import { openTransactions } from './kafka-java/open-transactions.ts';
import { startJavaKafka } from './kafka-java/start.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { RecoveryTimes } from './recovery-times.ts';
import { ServiceProcess, stopped } from './service-process.ts';
import { TcpProxy } from './tcp-proxy.ts';

const LANES = 4;
const ROUGHNESS = { duplicated: 0.05, reordered: 0.02, pauseMs: 100 };
const DISTURBANCE_MS = 3_000;
/** Past the group's session of 6 seconds and PostgreSQL's patience of 4; mostly past the client's of 10 too. */
const CUT_MS = { least: 8_000, most: 15_000 };
/**
 * From when an instance is stopped or cut off until the other one has answered all that had been sent. The session alone lasts 6 seconds;
 * 7 are usual, 12 were seen on a machine with ten times as much to do as it can.
 */
const TAKEOVER_MS = 15_000;
const BROKER_AWAY_MS = 1_000;
const DELAY_MS = 20;
const GIVE_UP_MS = 90_000;
/** Of each instance's output, when something is wrong. */
const LINES = 60;

/** How soon all ought to be well after the end of a fault, and after a restart of an instance. */
const TARGET_MS = 10_000;
const RESTART_MS = 8_000;

interface Fault {
  /** Resolves when it is over. */
  happen(): Promise<unknown>;
  /** What the operator does then; its time counts as the service's. */
  mend?(): Promise<unknown>;
  readonly targetMs?: number;
}

/** What an instance is connected through. */
interface Link {
  readonly kafka: FaultyProxy;
  readonly postgres: TcpProxy;
}

export type FaultName = keyof FaultCampaign['faults'];

export interface CampaignOptions {
  readonly directory: string;
  /** How long a stopped instance sleeps. The group's session ends after 6 seconds, a transaction after 60. */
  readonly zombieMs: number;
  /** Which of the two instances may be killed. */
  readonly mortal: readonly number[];
  /** Whether recoveries must be as soon as on a machine of their own; else as FAULTS says. */
  readonly isStrict?: boolean;
}

/** Two instances of the service on a Kafka and a PostgreSQL of their own, each through proxies of its own, and all that can befall them. */
export class FaultCampaign {
  readonly flow: CommandFlow;
  readonly instances: ServiceProcess[] = [];
  readonly times: RecoveryTimes;
  readonly #kafka: TestKafka;
  readonly #postgres: PostgresServer;
  /** Of each instance. */
  readonly #links: readonly Link[];
  readonly #options: CampaignOptions;
  /** What was wrong on the way. */
  readonly #findings: string[] = [];
  readonly #endured = new Set<FaultName>();
  #rounds = 1;

  private constructor(
    kafka: TestKafka,
    postgres: PostgresServer,
    links: readonly Link[],
    options: CampaignOptions,
  ) {
    this.#kafka = kafka;
    this.#postgres = postgres;
    this.#links = links;
    this.#options = options;
    this.flow = new CommandFlow(kafka.brokers, ROUGHNESS);
    this.times = new RecoveryTimes(options.isStrict);
  }

  /** Resolves when both instances are at work. @throws when there is no Java for Kafka, or no PostgreSQL: the message says why */
  static async start(options: CampaignOptions): Promise<FaultCampaign> {
    const port = await freePort();
    const kafka = await startJavaKafka(port);
    const postgres = await startPostgres({ withFaults: true }).catch(async (error) => {
      await kafka.stop();
      throw error;
    });
    const open = async () => ({
      kafka: await FaultyProxy.open(port),
      postgres: await TcpProxy.open(Number(new URL(postgres.url).port)),
    });
    const campaign = new FaultCampaign(kafka, postgres, [await open(), await open()], options);
    await campaign.flow.connect();
    for (const index of [0, 1]) campaign.instances[index] = await campaign.#startInstance(index);
    await campaign.flow.bringStock();
    await campaign.#recovered(await campaign.flow.ends());
    return campaign;
  }

  /**
   * One fault while commands flow, so many at first, and then a steady few until all is well again, and each instance has some of the lanes.
   * @returns in how many milliseconds after the fault's end all that had been sent by then was answered and all lanes worked
   */
  async endure(name: FaultName, commands: number): Promise<number> {
    const { happen, mend, targetMs = TARGET_MS }: Fault = this.faults[name];
    this.#endured.add(name);
    let isOver = false;
    const sending = this.flow.send(this.#rounds++, commands, () => isOver);
    await sleep(Math.random() * 4 * ROUGHNESS.pauseMs);
    await happen();
    const endedMs = performance.now();
    const ends = await this.flow.ends();
    await mend?.();
    await this.#recovered(ends);
    const recoveredMs = Math.round(performance.now() - endedMs);
    await this.#sharedOut();
    isOver = true;
    await sending;
    this.times.add(name, recoveredMs, targetMs);
    if (recoveredMs > targetMs) process.stdout.write(`${this.#lastWords()}\n`);
    return recoveredMs;
  }

  /**
   * Stops both instances under load, asks for transactions left open, lets the rest be answered, and
   * hears the judge. @returns what is wrong, a line each
   */
  async verdict(): Promise<readonly string[]> {
    const sending = this.flow.send(this.#rounds++, 10 * 50);
    await this.#terminateAll();
    await sending;
    this.instances[0] = await this.#startInstance(0);
    await eventually(async () => atMost(0, await this.flow.lag()), { withinMs: GIVE_UP_MS });
    await stopped(this.instances[0]);
    // The records of a Produce whose answer was lost are written, and never committed.
    const mustAbort = this.#endured.has('the answer to Produce lost');
    const { flow } = this;
    return [
      ...this.#findings,
      ...this.times.complaints(),
      ...(await judge({
        flow,
        brokers: this.#kafka.brokers,
        databaseUrl: this.#postgres.url,
        mustAbort,
      })),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.stop('SIGKILL')));
    await this.flow.disconnect();
    await Promise.all(
      this.#links.flatMap(({ kafka, postgres }) => [kafka.close(), postgres.close()]),
    );
    await Promise.all([this.#kafka.stop(), this.#postgres.stop()]);
  }

  readonly faults = {
    'an instance killed and restarted': this.#leaving((instance) => instance.stop('SIGKILL')),
    'an instance terminated and restarted': this.#leaving(stopped),
    'both instances terminated and restarted': {
      targetMs: RESTART_MS,
      happen: () => this.#terminateAll(),
      mend: async () => {
        this.instances.splice(
          0,
          2,
          ...(await Promise.all([0, 1].map((index) => this.#startInstance(index)))),
        );
      },
    },
    'an instance stopped past its time and woken': {
      happen: () => this.#sleep([random(this.instances)]),
    },
    'both instances stopped past their time and woken': {
      happen: () => this.#sleep(this.instances),
    },
    'a third instance that joins and leaves': { happen: () => this.#guest(stopped) },
    'a third instance that joins and is killed': {
      happen: () => this.#guest((instance) => instance.stop('SIGKILL')),
    },
    'the broker killed and restarted': {
      happen: async () => {
        await this.#kafka.faults?.kill();
        await sleep(BROKER_AWAY_MS);
        await this.#kafka.faults?.restart();
      },
    },
    'connections to Kafka reset': {
      happen: async () => this.#some('kafka').map((proxy) => proxy.reset()),
    },
    'a black hole before Kafka': { happen: () => blackHole(this.#some('kafka'), DISTURBANCE_MS) },
    'an instance behind a black hole before Kafka, past its time': {
      happen: () =>
        Promise.all([blackHole([random(this.#links).kafka], between(CUT_MS)), this.#takenOver()]),
    },
    'Kafka stalled': {
      happen: () => Promise.all(this.#some('kafka').map((proxy) => proxy.stall(DISTURBANCE_MS))),
    },
    'an instance with Kafka stalled, past its time': {
      happen: () =>
        Promise.all([random(this.#links).kafka.stall(between(CUT_MS)), this.#takenOver()]),
    },
    'Kafka slowed down': { happen: () => slowed(this.#some('kafka')) },
    'the answer to Produce lost': { happen: () => random(this.#links).kafka.loseAnswer('Produce') },
    'the answer to EndTxn lost': { happen: () => random(this.#links).kafka.loseAnswer('EndTxn') },
    'the answer to InitProducerId lost': {
      happen: async () => {
        const { kafka } = random(this.#links);
        // A lane opens a producer when it has lost one.
        await kafka.loseAnswer('Produce');
        await kafka.loseAnswer('InitProducerId');
      },
    },
    'connections to PostgreSQL reset': {
      happen: async () => this.#some('postgres').map((proxy) => proxy.reset()),
    },
    'a black hole before PostgreSQL': {
      happen: () => blackHole(this.#some('postgres'), DISTURBANCE_MS),
    },
    'PostgreSQL stalled': {
      happen: () => Promise.all(this.#some('postgres').map((proxy) => proxy.stall(DISTURBANCE_MS))),
    },
    'an instance with PostgreSQL stalled, past its time': {
      happen: () => random(this.#links).postgres.stall(between(CUT_MS)),
    },
    'PostgreSQL slowed down': { happen: () => slowed(this.#some('postgres')) },
    'PostgreSQL sessions terminated amid transactions': {
      happen: () => eventually(() => terminateSessions(this.#postgres.url)),
    },
    'PostgreSQL restarted': { happen: () => this.#restartPostgres('SIGINT') },
    'PostgreSQL crashed': { happen: () => this.#restartPostgres('SIGQUIT') },
  } satisfies Record<string, Fault>;

  /** One of the mortal instances leaves at work in this way, and another takes its place. */
  #leaving(leave: (instance: ServiceProcess) => Promise<unknown>): Fault {
    let index = 0;
    return {
      targetMs: RESTART_MS,
      happen: async () => {
        index = random(this.#options.mortal);
        await this.#atWork();
        await leave(this.instances[index] as ServiceProcess);
      },
      mend: async () => {
        this.instances[index] = await this.#startInstance(index);
      },
    };
  }

  /** Both at once: where one went on, it would end what the other left open. */
  async #terminateAll(): Promise<void> {
    await this.#atWork();
    await Promise.all(this.instances.map(stopped));
    const left = await openTransactions(this.#kafka.brokers);
    this.#findings.push(
      ...left.map((transaction) => `SIGTERM left a transaction open: ${transaction}`),
    );
  }

  /** Resolves when commands wait. */
  async #atWork(): Promise<void> {
    await eventually(async () => atMost(-1, -(await this.flow.lag())), { withinMs: GIVE_UP_MS });
  }

  async #sleep(instances: readonly ServiceProcess[]): Promise<void> {
    for (const { pid } of instances) process.kill(pid, 'SIGSTOP');
    const isOneAwake = instances.length < this.instances.length;
    await Promise.all([sleep(this.#options.zombieMs), isOneAwake && this.#takenOver()]);
    for (const { pid } of instances) process.kill(pid, 'SIGCONT');
  }

  /** Finds it wrong when what has been sent by now still waits for an instance that is stopped or cut off. */
  async #takenOver(): Promise<void> {
    const ends = await this.flow.ends();
    await eventually(async () => atMost(0, await this.flow.lag(ends)), {
      withinMs: TAKEOVER_MS,
    }).catch(({ message }) => {
      this.#findings.push(
        `Commands waited for an instance that was stopped or cut off: ${message}\n${this.#lastWords()}`,
      );
    });
  }

  async #guest(leave: (instance: ServiceProcess) => Promise<unknown>): Promise<void> {
    await using guest = await this.#startInstance(random([0, 1]));
    await eventually(async () => atMost(-1, -(await lanesAtWork(guest.url))), {
      withinMs: GIVE_UP_MS,
    });
    await leave(guest);
  }

  /** The proxies of one instance, or of both. */
  #some<Kind extends keyof Link>(kind: Kind): Link[Kind][] {
    const proxies = this.#links.map((link) => link[kind]);
    return random([proxies, [random(proxies)]]);
  }

  async #restartPostgres(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    await this.#postgres.faults?.end(signal);
    await this.#postgres.faults?.restart();
  }

  /** @param index whose proxies it is connected through */
  async #startInstance(index: number): Promise<ServiceProcess> {
    const { kafka, postgres } = this.#links[index] as Link;
    const databaseUrl = new URL(this.#postgres.url);
    databaseUrl.port = String(postgres.port);
    const environment = this.flow.environment(`127.0.0.1:${kafka.port}`, databaseUrl.href);
    return await ServiceProcess.start(environment, this.#options.directory);
  }

  async #recovered(ends: ReadonlyMap<number, number>): Promise<void> {
    await eventually(
      async () => {
        const lanes = await Promise.all(this.instances.map(({ url }) => lanesAtWork(url)));
        if (lanes.reduce((sum, count) => sum + count) !== LANES)
          throw new Error(`The instances have ${lanes} working lanes`);
        atMost(0, await this.flow.lag(ends));
      },
      { withinMs: GIVE_UP_MS },
    ).catch((error) => {
      throw new Error(`It does not recover: ${error.message}\n${this.#lastWords()}`);
    });
  }

  #lastWords(): string {
    return this.instances.map(({ output }) => output.slice(-LINES).join('\n')).join('\n\n');
  }

  /** Resolves when each instance has lanes: a fault that befalls one alone would do nothing else. */
  async #sharedOut(): Promise<void> {
    await eventually(
      async () => {
        for (const { url } of this.instances) atMost(-1, -(await lanesAtWork(url)));
      },
      { withinMs: GIVE_UP_MS },
    );
  }
}

function random<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)] as T;
}

function between({ least, most }: typeof CUT_MS): number {
  return least + Math.random() * (most - least);
}

function atMost(limit: number, found: number): void {
  if (found > limit) throw new Error(`${found} instead of ${limit}`);
}

async function blackHole(proxies: readonly TcpProxy[], ms: number): Promise<void> {
  for (const proxy of proxies) proxy.beginBlackHole();
  await sleep(ms);
  for (const proxy of proxies) proxy.endBlackHole();
}

async function slowed(proxies: readonly TcpProxy[]): Promise<void> {
  for (const proxy of proxies) proxy.slowDown(DELAY_MS);
  await sleep(DISTURBANCE_MS);
  for (const proxy of proxies) proxy.slowDown(0);
}

/** @throws none of them had a transaction */
async function terminateSessions(url: string): Promise<void> {
  const database = await Database.open(url);
  try {
    const sessions = await database.query<{ writes: boolean }>(
      `select backend_xid is not null as writes, pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    if (!sessions.some(({ writes }) => writes)) throw new Error('No session has a transaction');
  } finally {
    await database.close();
  }
}
