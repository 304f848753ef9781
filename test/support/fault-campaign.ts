import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../src/adapters/database/database.ts';
import { judge } from './campaign-verdict.ts';
import { CommandFlow, lanesAtWork } from './command-flow.ts';
import { eventually } from './eventually.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import { freePort } from './free-port.ts';
import type { TestKafka } from './kafka.ts';
import { openTransactions } from './kafka-java/open-transactions.ts';
import { startJavaKafka } from './kafka-java/start.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { RecoveryTimes } from './recovery-times.ts';
import { ServiceProcess, stopped } from './service-process.ts';
import { TcpProxy } from './tcp-proxy.ts';

const LANES = 4;
const ROUGHNESS = { duplicated: 0.05, reordered: 0.02, pauseMs: 100 };
const DISTURBANCE_MS = 3_000;
/**
 * A cut outlasts the session of the group (6 s) and the patience of PostgreSQL (4 s). Most cuts
 * outlast the patience of the client (10 s) too.
 */
const CUT_MS = { least: 8_000, most: 15_000 };
/**
 * The time from the stop or cut of an instance until the other one has answered all commands sent
 * before. The session alone lasts 6 s. 7 s are usual. On a machine with ten times its load 12 s
 * were seen.
 */
const TAKEOVER_MS = 15_000;
const BROKER_AWAY_MS = 1_000;
const DELAY_MS = 20;
const GIVE_UP_MS = 90_000;
/** How many lines of the output of each instance a finding quotes. */
const LINES = 60;

/**
 * How soon the service ought to recover after the end of a fault, and after a restart of an
 * instance.
 */
const TARGET_MS = 10_000;
const RESTART_MS = 8_000;

interface Fault {
  /** Makes the fault happen. Resolves when the fault is over. */
  happen(): Promise<unknown>;
  /** What an operator does after the fault. Its time counts as recovery time of the service. */
  mend?(): Promise<unknown>;
  readonly targetMs?: number;
}

/** The proxies between an instance and its servers. */
interface Link {
  readonly kafka: FaultyProxy;
  readonly postgres: TcpProxy;
}

export type FaultName = keyof FaultCampaign['faults'];

export interface CampaignOptions {
  readonly directory: string;
  /**
   * How long a stopped instance sleeps. The session of the group ends after 6 s, a transaction
   * after 60 s.
   */
  readonly zombieMs: number;
  /** The indexes of the instances that may be killed. */
  readonly mortal: readonly number[];
  /**
   * Whether recoveries must be as quick as on a machine that runs nothing else. By default FAULTS
   * decides.
   */
  readonly isStrict?: boolean;
}

/**
 * Runs two instances of the service on a Kafka and a PostgreSQL of its own, each instance behind
 * its own proxies, and makes every kind of fault befall them.
 */
export class FaultCampaign {
  readonly flow: CommandFlow;
  readonly instances: ServiceProcess[] = [];
  readonly times: RecoveryTimes;
  readonly #kafka: TestKafka;
  readonly #postgres: PostgresServer;
  /** The proxies of each instance, by its index. */
  readonly #links: readonly Link[];
  readonly #options: CampaignOptions;
  /** The faults of the service found so far, besides those that the judge finds. */
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

  /**
   * Starts a campaign. Resolves when both instances are at work.
   * @throws when Java for Kafka, or PostgreSQL, is missing; the message says why
   */
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
   * Makes one fault happen while commands flow: `commands` at first, and then a steady few until
   * the service has recovered and each instance has lanes.
   * @returns the milliseconds from the end of the fault until all lanes worked and all commands
   * sent before were answered
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
   * Stops both instances under load, looks for transactions left open, lets the remaining commands
   * be answered, and asks the judge.
   * @returns what is wrong, one line each
   */
  async verdict(): Promise<readonly string[]> {
    const sending = this.flow.send(this.#rounds++, 10 * 50);
    await this.#terminateAll();
    await sending;
    this.instances[0] = await this.#startInstance(0);
    await eventually(async () => atMost(0, await this.flow.lag()), { withinMs: GIVE_UP_MS });
    await stopped(this.instances[0]);
    // The records of a Produce whose answer was lost are written, but never committed.
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
        // A lane opens a new producer only after it has lost one.
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

  /** Ends one of the mortal instances at work, and starts another in its place. */
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

  /**
   * Terminates both instances at once. An instance that went on would end the transactions that the
   * other left open.
   */
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

  /**
   * Records a finding when commands sent by now keep waiting for an instance that is stopped or cut
   * off.
   */
  async #takenOver(): Promise<void> {
    const ends = await this.flow.ends();
    await eventually(async () => atMost(0, await this.flow.lag(ends)), {
      withinMs: TAKEOVER_MS,
    }).catch(({ message }) => {
      this.#findings.push(
        `Commands waited for an instance that was stopped or cut off: ${message}\n` +
          this.#lastWords(),
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

  /** Returns the proxies of one instance, or of both, at random. */
  #some<Kind extends keyof Link>(kind: Kind): Link[Kind][] {
    const proxies = this.#links.map((link) => link[kind]);
    return random([proxies, [random(proxies)]]);
  }

  async #restartPostgres(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    await this.#postgres.faults?.end(signal);
    await this.#postgres.faults?.restart();
  }

  /**
   * Starts an instance.
   * @param index the index of its proxies
   */
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
      throw new Error(`The service did not recover: ${error.message}\n${this.#lastWords()}`);
    });
  }

  #lastWords(): string {
    return this.instances.map(({ output }) => output.slice(-LINES).join('\n')).join('\n\n');
  }

  /**
   * Resolves when each instance has lanes. Otherwise a fault of a single instance could do nothing.
   */
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
  if (found > limit) throw new Error(`${found} is more than ${limit}`);
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

/**
 * Ends all other sessions of the database.
 * @throws when none of them had a transaction
 */
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
