import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './campaign-verdict.ts';
import { CommandFlow, lanesAtWork } from './command-flow.ts';
import { eventually } from './eventually.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import { freePort } from './free-port.ts';
import { type Fault, type FaultName, instanceFaults, type Link } from './instance-faults.ts';
import type { TestKafka } from './kafka.ts';
import { openTransactions } from './kafka-java/open-transactions.ts';
import { startJavaKafka } from './kafka-java/start.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { RecoveryTimes } from './recovery-times.ts';
import { ServiceProcess, stopped } from './service-process.ts';
import { TcpProxy } from './tcp-proxy.ts';

const LANES = 4;
const ROUGHNESS = { duplicated: 0.05, reordered: 0.02, pauseMs: 100 };
/**
 * The time from the stop or cut of an instance until the other one has answered all commands sent
 * before. The session alone lasts 6 s. 7 s are usual. On a machine with ten times its load 12 s
 * were seen.
 */
const TAKEOVER_MS = 15_000;
const GIVE_UP_MS = 90_000;
/** How many lines of the output of each instance a finding quotes. */
const LINES = 60;

/** How soon the service ought to recover after the end of most faults. */
const TARGET_MS = 10_000;

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
  readonly faults: ReturnType<typeof instanceFaults>;
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
    this.faults = instanceFaults({
      kafka,
      postgres,
      links,
      instances: this.instances,
      options,
      startInstance: (index) => this.#startInstance(index),
      terminateAll: () => this.#terminateAll(),
      waitForWork: () => this.#atWork(),
      watchTakeover: () => this.#takenOver(),
    });
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

function atMost(limit: number, found: number): void {
  if (found > limit) throw new Error(`${found} is more than ${limit}`);
}
