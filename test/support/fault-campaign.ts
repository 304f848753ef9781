import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../src/adapters/database/database.ts';
import { checkHistory, type History } from './check-history.ts';
import { CommandFlow, lanesAtWork, SKUS } from './command-flow.ts';
import { eventually } from './eventually.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import type { TestKafka } from './kafka.ts';
import { freePort } from './kafka-broker.ts';
import { readTopicInJava } from './kafka-java/read.ts';
import { startJavaKafka } from './kafka-java/start.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { readHistory } from './read-history.ts';
import { ServiceProcess } from './service-process.ts';
import { TcpProxy } from './tcp-proxy.ts';

const LANES = 4;
const ROUGHNESS = { duplicated: 0.05, reordered: 0.02, pauseMs: 100 };
const DISTURBANCE_MS = 3_000;
const BROKER_AWAY_MS = 1_000;
const DELAY_MS = 20;
const GIVE_UP_MS = 90_000;

/** As long as the issue of the fault campaign allows after the end of a fault, and after the service's own SIGKILL and restart. */
const RECOVERY_MS = 10_000;
const RESTART_MS = 8_000;

interface Fault {
  /** Resolves when it is over. */
  happen(): Promise<unknown>;
  /** What the operator does then; its time counts as the service's. */
  mend?(): Promise<unknown>;
  readonly recoveryMs?: number;
}

export type FaultName = keyof FaultCampaign['faults'];

export interface CampaignOptions {
  readonly directory: string;
  /** How long a stopped instance sleeps. The group's session ends after 6 seconds, a transaction after 60. */
  readonly zombieMs: number;
  /** Which of the two instances may be killed. */
  readonly mortal: readonly number[];
}

/** Two instances of the service on a Kafka and a PostgreSQL of their own, each behind a proxy, and all that can befall them. */
export class FaultCampaign {
  readonly flow: CommandFlow;
  readonly instances: ServiceProcess[] = [];
  readonly #kafka: TestKafka;
  readonly #postgres: PostgresServer;
  readonly #kafkaProxy: FaultyProxy;
  readonly #postgresProxy: TcpProxy;
  readonly #options: CampaignOptions;
  /** Recoveries that took too long. */
  readonly #findings: string[] = [];
  #rounds = 0;

  private constructor(
    kafka: TestKafka,
    postgres: PostgresServer,
    kafkaProxy: FaultyProxy,
    postgresProxy: TcpProxy,
    options: CampaignOptions,
  ) {
    this.#kafka = kafka;
    this.#postgres = postgres;
    this.#kafkaProxy = kafkaProxy;
    this.#postgresProxy = postgresProxy;
    this.#options = options;
    this.flow = new CommandFlow(kafka.brokers, ROUGHNESS);
  }

  /** Resolves when both instances are at work. @throws when there is no Java for Kafka, or no PostgreSQL: the message says why */
  static async start(options: CampaignOptions): Promise<FaultCampaign> {
    const port = await freePort();
    const kafkaProxy = await FaultyProxy.open(port);
    const postgres = await startPostgres({ withFaults: true });
    const postgresProxy = await TcpProxy.open(Number(new URL(postgres.url).port));
    const kafka = await startJavaKafka(await freePort(), { port, proxyPort: kafkaProxy.port }).catch(async (error) => {
      await Promise.all([postgres.stop(), kafkaProxy.close(), postgresProxy.close()]);
      throw error;
    });
    const campaign = new FaultCampaign(kafka, postgres, kafkaProxy, postgresProxy, options);
    await campaign.flow.connect();
    for (const index of [0, 1]) campaign.instances[index] = await campaign.#startInstance();
    // Every product exists before a lane can fall behind: which of two lanes was first where one creates what the other misses, nobody can tell.
    await campaign.flow.send(campaign.#rounds++, SKUS);
    await campaign.#recovered(await campaign.flow.ends());
    return campaign;
  }

  /** One fault while `commands` flow. @returns in how many milliseconds after its end all that had been sent was answered and all lanes worked */
  async endure(name: FaultName, commands: number): Promise<number> {
    const { happen, mend, recoveryMs = RECOVERY_MS }: Fault = this.faults[name];
    const sending = this.flow.send(this.#rounds++, commands);
    await sleep(Math.random() * 4 * ROUGHNESS.pauseMs);
    await happen();
    const endedMs = performance.now();
    const ends = await this.flow.ends();
    await mend?.();
    await this.#recovered(ends);
    const recoveredMs = Math.round(performance.now() - endedMs);
    await sending;
    if (recoveredMs > recoveryMs) this.#findings.push(`It took ${recoveredMs} ms to recover from: ${name}`);
    return recoveredMs;
  }

  /**
   * Stops both instances under load, asks for transactions left open, lets the rest be answered, and hears the judge; what kafkajs reads
   * must be what Kafka's own client reads. @returns what is wrong, a line each
   */
  async verdict(): Promise<readonly string[]> {
    const sending = this.flow.send(this.#rounds++, 10 * 50);
    await Promise.all(this.instances.map(stopped));
    await readTopicInJava(this.#kafka.brokers, this.flow.topics.events);
    await sending;
    this.instances[0] = await this.#startInstance();
    await eventually(async () => atMost(0, await this.flow.lag()), { withinMs: GIVE_UP_MS });
    await stopped(this.instances[0]);
    const history = await readHistory(this.flow.kafka, this.flow.topics, this.flow.group, this.#postgres.url);
    const findings = [...this.#findings, ...checkHistory(history).map(({ kind, detail }) => `${kind}: ${detail}`)];
    if (history.commands.length < this.flow.sent)
      findings.push(`${this.flow.sent - history.commands.length} commands are gone from the topic`);
    return [...findings, ...(await this.#differences(history))];
  }

  async stop(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.stop('SIGKILL')));
    await this.flow.disconnect();
    await Promise.all([this.#kafkaProxy.close(), this.#postgresProxy.close()]);
    await Promise.all([this.#kafka.stop(), this.#postgres.stop()]);
  }

  readonly faults = {
    'an instance killed and restarted': this.#leaving((instance) => instance.stop('SIGKILL')),
    'an instance terminated and restarted': this.#leaving(stopped),
    'an instance stopped past its time and woken': { happen: () => this.#sleep([random(this.instances)]) },
    'both instances stopped past their time and woken': { happen: () => this.#sleep(this.instances) },
    'a third instance that joins and leaves': { happen: () => this.#guest(stopped) },
    'a third instance that joins and is killed': { happen: () => this.#guest((instance) => instance.stop('SIGKILL')) },
    'the broker killed and restarted': {
      happen: async () => {
        await this.#kafka.faults?.kill();
        await sleep(BROKER_AWAY_MS);
        await this.#kafka.faults?.restart();
      },
    },
    'connections to Kafka reset': { happen: async () => this.#kafkaProxy.reset() },
    'a black hole before Kafka': { happen: () => blackHole(this.#kafkaProxy) },
    'Kafka stalled': { happen: () => this.#kafkaProxy.stall(DISTURBANCE_MS) },
    'Kafka slowed down': { happen: () => slowed(this.#kafkaProxy) },
    'the answer to Produce lost': { happen: () => this.#kafkaProxy.loseAnswer('Produce') },
    'the answer to EndTxn lost': { happen: () => this.#kafkaProxy.loseAnswer('EndTxn') },
    'the answer to InitProducerId lost': {
      happen: async () => {
        // A lane opens a producer when it has lost one.
        await this.#kafkaProxy.loseAnswer('Produce');
        await this.#kafkaProxy.loseAnswer('InitProducerId');
      },
    },
    'connections to PostgreSQL reset': { happen: async () => this.#postgresProxy.reset() },
    'a black hole before PostgreSQL': { happen: () => blackHole(this.#postgresProxy) },
    'PostgreSQL stalled': { happen: () => this.#postgresProxy.stall(DISTURBANCE_MS) },
    'PostgreSQL slowed down': { happen: () => slowed(this.#postgresProxy) },
    'PostgreSQL sessions terminated amid transactions': { happen: () => eventually(() => terminateSessions(this.#postgres.url)) },
    'PostgreSQL restarted': { happen: () => this.#restartPostgres('SIGINT') },
    'PostgreSQL crashed': { happen: () => this.#restartPostgres('SIGQUIT') },
  } satisfies Record<string, Fault>;

  /** One of the mortal instances leaves in this way, and another takes its place. */
  #leaving(leave: (instance: ServiceProcess) => Promise<unknown>): Fault {
    let index = 0;
    return {
      recoveryMs: RESTART_MS,
      happen: async () => {
        index = random(this.#options.mortal);
        await leave(this.instances[index] as ServiceProcess);
      },
      mend: async () => {
        this.instances[index] = await this.#startInstance();
      },
    };
  }

  async #sleep(instances: readonly ServiceProcess[]): Promise<void> {
    for (const { pid } of instances) process.kill(pid, 'SIGSTOP');
    await sleep(this.#options.zombieMs);
    const waiting = await this.flow.lag();
    const isOneAwake = instances.length < this.instances.length;
    if (isOneAwake && waiting > 0) this.#findings.push(`${waiting} commands waited for an instance that was stopped`);
    for (const { pid } of instances) process.kill(pid, 'SIGCONT');
  }

  async #guest(leave: (instance: ServiceProcess) => Promise<unknown>): Promise<void> {
    await using guest = await this.#startInstance();
    await eventually(async () => atMost(-1, -(await lanesAtWork(guest.url))), { withinMs: GIVE_UP_MS });
    await leave(guest);
  }

  async #restartPostgres(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    await this.#postgres.faults?.end(signal);
    await this.#postgres.faults?.restart();
  }

  async #startInstance(): Promise<ServiceProcess> {
    const databaseUrl = new URL(this.#postgres.url);
    databaseUrl.port = String(this.#postgresProxy.port);
    const environment = this.flow.environment(`127.0.0.1:${this.#kafkaProxy.port}`, databaseUrl.href);
    return await ServiceProcess.start(environment, this.#options.directory);
  }

  async #recovered(ends: ReadonlyMap<number, number>): Promise<void> {
    await eventually(
      async () => {
        const lanes = await Promise.all(this.instances.map(({ url }) => lanesAtWork(url)));
        if (lanes.reduce((sum, count) => sum + count) !== LANES) throw new Error(`The instances have ${lanes} working lanes`);
        atMost(0, await this.flow.lag(ends));
      },
      { withinMs: GIVE_UP_MS },
    ).catch((error) => {
      const words = this.instances.map(({ output }) => output.slice(-30).join('\n')).join('\n\n');
      throw new Error(`It does not recover: ${error.message}\n${words}`);
    });
  }

  async #differences({ events }: History): Promise<readonly string[]> {
    const { records: inJava } = await readTopicInJava(this.#kafka.brokers, this.flow.topics.events);
    const asText = (partition: number, offset: number, key: string | null, id: string | undefined) => `${partition}/${offset} ${key} ${id}`;
    const here = new Set(events.map(({ partition, offset, key, headers }) => asText(partition, offset, key, headers.ce_id)));
    const there = new Set(inJava.map(({ partition, offset, key, id }) => asText(partition, offset, key, id)));
    return [
      ...[...here.difference(there)].map((event) => `Kafka's own client does not see the event ${event}`),
      ...[...there.difference(here)].map((event) => `Only Kafka's own client sees the event ${event}`),
    ];
  }
}

function random<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)] as T;
}

function atMost(limit: number, found: number): void {
  if (found > limit) throw new Error(`${found} instead of ${limit}`);
}

async function stopped(service: ServiceProcess): Promise<void> {
  const exitCode = await service.stop();
  if (exitCode !== 0) throw new Error(`SIGTERM ended it with ${exitCode}:\n${service.output.slice(-30).join('\n')}`);
}

async function blackHole(proxy: TcpProxy): Promise<void> {
  proxy.beginBlackHole();
  await sleep(DISTURBANCE_MS);
  proxy.endBlackHole();
}

async function slowed(proxy: TcpProxy): Promise<void> {
  proxy.slowDown(DELAY_MS);
  await sleep(DISTURBANCE_MS);
  proxy.slowDown(0);
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
