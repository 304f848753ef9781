import { setTimeout as sleep } from 'node:timers/promises';
import { allowanceMs, brokerFaults, type ClusterFaultName, type Manner } from './broker-faults.ts';
import { judge } from './campaign-verdict.ts';
import { ClusterAnswers } from './cluster-answers.ts';
import { CommandFlow } from './command-flow.ts';
import { missingComplaints } from './complaints.ts';
import { startCpuHogs } from './cpu-hogs.ts';
import { eventually } from './eventually.ts';
import { HttpCommands } from './http-commands.ts';
import { isEndingTransaction, lastWordsOf, stateOf } from './instance-output.ts';
import { fakeClock, KafkaCluster } from './kafka-java/cluster.ts';
import type { KafkaVersion } from './kafka-java/libraries.ts';
import { openTransactions } from './kafka-java/open-transactions.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { ReadinessWatch } from './readiness-watch.ts';
import { ServiceProcess, stopped } from './service-process.ts';

const PARTITIONS = 6;
const ROUGHNESS = { duplicated: 0.02, reordered: 0.01, pauseMs: 100 };
const FLOW = { partitions: PARTITIONS, requestTimeoutMs: 3_000, patienceMs: 240_000 };
/**
 * The number of commands sent at once before each fault. A steady few follow until the fault is
 * over.
 */
const COMMANDS_PER_FAULT = 250;
/** Enough commands for every kind of answer. */
const COMMANDS_AT_FIRST = 500;
/** A service that has not recovered by then never will. */
const GIVE_UP_MS = 120_000;
/** The most time without a fault that counts. A service that needs longer is too slow. */
const MAX_USUAL_MS = 15_000;

/** How many faults of a campaign may happen again because they were late. */
const SECOND_CHANCES = 2;

/** How long answers stopped, in milliseconds. */
export interface Recovery {
  /**
   * How long answers to the same load took just before, without a fault, the sending included. On a
   * machine with other work that alone may take many seconds.
   */
  readonly usualMs: number;
  /** The time since the order to stop, move, kill or cut. */
  readonly sinceOrderMs: number;
  /**
   * The time since the stop or move was complete. After a kill or cut: the time since the election
   * of leaders.
   */
  readonly sinceReadyMs: number;
  /** Whether the service never recovered, and was restarted. */
  readonly isStuck: boolean;
}

export interface ClusterCampaignOptions {
  readonly directory: string;
  readonly version: KafkaVersion;
  readonly instances: number;
  /** The session timeout of the brokers. See `ClusterOptions`. */
  readonly sessionMs: number;
  /** The number of busy processes that take the machine away meanwhile. */
  readonly cpuHogs: number;
  /**
   * How much longer than without a fault a recovery may take. It may take longer still if an
   * instance has logged that Kafka did not end a transaction: no client can shorten that
   * (docs/decisions/0022).
   */
  readonly limitMs: number;
}

/**
 * Runs instances of the service on a cluster of three brokers and a PostgreSQL of its own, and
 * makes faults befall the brokers.
 */
export class ClusterCampaign {
  readonly flow: CommandFlow;
  readonly cluster: KafkaCluster;
  readonly instances: ServiceProcess[] = [];
  readonly #postgres: PostgresServer;
  readonly #options: ClusterCampaignOptions;
  readonly #answers: ClusterAnswers;
  readonly #readiness: ReadinessWatch;
  readonly #http: HttpCommands;
  readonly #endHogs: () => void;
  readonly #faults: ReturnType<typeof brokerFaults>;
  /** The faults of the service found so far, besides those that the judge finds. */
  readonly #findings: string[] = [];
  #recoveries: Recovery[] = [];
  /** What took longer than the limit allows, and less than twice as long. */
  #late: string[] = [];
  #chances = SECOND_CHANCES;
  #limitMs = 0;
  #usualMs = 0;
  #rounds = 1;

  private constructor(
    cluster: KafkaCluster,
    postgres: PostgresServer,
    options: ClusterCampaignOptions,
  ) {
    this.cluster = cluster;
    this.#postgres = postgres;
    this.#options = options;
    this.flow = new CommandFlow(cluster.brokers, ROUGHNESS, FLOW);
    this.#http = new HttpCommands(this.flow.run);
    this.#answers = new ClusterAnswers(cluster, this.flow);
    this.#readiness = new ReadinessWatch(this.#answers, () => this.instances);
    this.#endHogs = startCpuHogs(options.cpuHogs);
    this.#faults = brokerFaults({
      cluster,
      flow: this.flow,
      answers: this.#answers,
      measure: (what, manner, happen) => this.#measure(what, manner, happen),
      send: (count) => this.flow.send(this.#rounds++, count),
      beginListening: () => {
        const linesBefore = this.instances.map(({ output }) => output.length);
        return async () =>
          void this.#findings.push(
            ...(await missingComplaints(this.instances, this.#readiness, linesBefore)),
          );
      },
    });
  }

  /**
   * Starts a campaign. Resolves when all instances are at work.
   * @throws when Java for Kafka, or PostgreSQL, is missing; the message says why
   */
  static async start(options: ClusterCampaignOptions): Promise<ClusterCampaign> {
    const cluster = await KafkaCluster.start(options);
    const postgres = await startPostgres({ withFaults: true }).catch(async (error) => {
      await cluster.close();
      throw error;
    });
    const campaign = new ClusterCampaign(cluster, postgres, options);
    try {
      await campaign.#begin();
    } catch (error) {
      await campaign.stop();
      throw error;
    }
    return campaign;
  }

  /** The number of commands that the service has accepted over HTTP. */
  get accepted(): number {
    return this.#http.accepted;
  }

  /** Returns why this fault cannot happen on this machine, or null when it can. */
  whyNot(name: ClusterFaultName): string | null {
    if (name.includes('cut off')) return this.cluster.whyNoCuts;
    if (name.includes('clocks'))
      return fakeClock() ? null : 'no libfaketime (Debian: apt-get install faketime)';
    return null;
  }

  /**
   * Makes one fault happen under load. Resolves when the cluster is whole and all commands are
   * answered. A fault with a late recovery happens once more, and must not be late again. Other
   * work on the machine may have caused the first delay. Only few faults get a second chance.
   * @returns each time that answers stopped
   */
  async endure(name: ClusterFaultName): Promise<readonly Recovery[]> {
    this.#recoveries = [];
    await this.#happen(name);
    if (this.#late.length > 0 && this.#chances > 0) {
      this.#chances -= 1;
      process.stdout.write(`This happens again, because it was late: ${this.#late.join('\n')}\n`);
      await this.#happen(name);
    }
    this.#findings.push(...this.#late);
    return this.#recoveries;
  }

  /**
   * Stops all instances under load, looks for transactions left open, lets the remaining commands
   * be answered, and asks the judge.
   * @returns what is wrong, one line each
   */
  async verdict(): Promise<readonly string[]> {
    const sending = this.flow.send(this.#rounds++, COMMANDS_AT_FIRST);
    await sleep(4 * ROUGHNESS.pauseMs);
    await Promise.all(this.instances.map(stopped));
    await sending;
    const left = await openTransactions(this.cluster.brokers);
    this.#findings.push(
      ...left.map((transaction) => `SIGTERM left a transaction open: ${transaction}`),
    );
    const last = await this.#startInstance();
    await this.#answered(await this.#answers.ends());
    await stopped(last);
    const end = {
      flow: this.flow,
      brokers: this.cluster.brokers,
      databaseUrl: this.#postgres.url,
      mustAbort: false,
      http: this.#http,
    };
    return [...this.#findings, ...(await judge(end))];
  }

  /** Stops everything, and removes all data. */
  async stop(): Promise<void> {
    this.#endHogs();
    this.#readiness.end();
    await Promise.all(this.instances.map((instance) => instance.stop('SIGKILL')));
    await this.flow.disconnect();
    await Promise.all([this.cluster.close(), this.#postgres.stop()]);
  }

  async #happen(name: ClusterFaultName): Promise<void> {
    this.#late = [];
    this.#readiness.begin(name);
    let isOver = false;
    const urls = () => this.instances.map(({ url }) => url);
    const sending: Promise<void>[] = [this.#http.send(urls, () => isOver)];
    this.#limitMs = this.#options.limitMs + allowanceMs(name);
    try {
      await this.#measureUsual();
      const flowing = this.flow.send(this.#rounds++, COMMANDS_PER_FAULT, () => isOver);
      flowing.catch(() => {}); // awaited below
      sending.push(flowing);
      await sleep(Math.random() * 4 * ROUGHNESS.pauseMs);
      await this.#faults[name]();
      await this.#answers.awaitWhole();
      await this.#measure(`${name}, when it is over`, 'in order', async () => {});
    } finally {
      isOver = true;
      await Promise.all(sending);
    }
    this.#findings.push(...this.#readiness.end());
  }

  async #begin(): Promise<void> {
    await this.flow.connect();
    for (let index = 0; index < this.#options.instances; index += 1)
      this.instances[index] = await this.#startInstance();
    await this.flow.bringStock();
    await this.flow.send(this.#rounds++, COMMANDS_AT_FIRST);
    await this.#answered(await this.#answers.ends());
    await this.#answers.awaitWhole();
  }

  /** Measures how long answers to the same load take without a fault. */
  async #measureUsual(): Promise<void> {
    const beganMs = performance.now();
    await this.flow.send(this.#rounds++, COMMANDS_PER_FAULT);
    const reason = await this.#probe();
    this.#usualMs = Math.min(MAX_USUAL_MS, Math.round(performance.now() - beganMs));
    if (reason === null) return;
    const state = await stateOf(this.instances);
    this.#findings.push(`Without a fault: ${reason}\n${state}\n${lastWordsOf(this.instances)}`);
    await this.#startAgain();
  }

  /**
   * Measures how long it takes until all earlier commands, and a probe of every lane, are answered.
   */
  async #measure(what: string, manner: Manner, happen: () => Promise<void>): Promise<void> {
    const linesBefore = this.instances.map(({ output }) => output.length);
    const orderedMs = performance.now();
    await happen();
    if (manner === 'suddenly') await this.#answers.awaitElection();
    const readyMs = performance.now();
    const reason = await this.#probe();
    const endMs = performance.now();
    const sinceReadyMs = Math.round(endMs - readyMs);
    this.#recoveries.push({
      usualMs: this.#usualMs,
      sinceOrderMs: Math.round(endMs - orderedMs),
      sinceReadyMs,
      isStuck: reason !== null,
    });
    const isDelayedByKafka = isEndingTransaction(this.instances, linesBefore);
    const overMs = sinceReadyMs - this.#usualMs;
    if (reason === null && (overMs <= this.#limitMs || isDelayedByKafka)) return;
    const verdict =
      reason === null
        ? `The service took ${sinceReadyMs} ms to recover, and ${this.#usualMs} ms without a fault,`
        : `The service did not recover (${reason})`;
    const isLate = reason === null && overMs < 2 * this.#limitMs;
    (isLate ? this.#late : this.#findings).push(
      `${verdict} from: ${what}\n${await stateOf(this.instances)}\n` +
        lastWordsOf(this.instances, linesBefore),
    );
    if (reason !== null) await this.#startAgain();
  }

  /**
   * Sends a probe to every lane, and waits for the answers to it and to all earlier commands.
   * @returns null then; otherwise why the answers did not come
   */
  async #probe(): Promise<string | null> {
    await this.flow.probe(this.#rounds++, this.cluster.wholeBrokers);
    const ends = await eventually(() => this.#answers.ends());
    return await this.#answered(ends).then(
      () => null,
      ({ message }: Error) => message,
    );
  }

  async #answered(ends: readonly number[]): Promise<void> {
    await this.#answers.awaitAnswers(ends, GIVE_UP_MS);
  }

  /** Kills and restarts all instances, as an operator does when nothing else helps. */
  async #startAgain(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.stop('SIGKILL')));
    await this.#answers.awaitElection();
    const starts = this.instances.map(() => this.#startInstance());
    this.instances.splice(0, this.instances.length, ...(await Promise.all(starts)));
    await this.#answered(await eventually(() => this.#answers.ends())).catch(
      async ({ message }) => {
        throw new Error(
          `The service did not recover even after a restart: ${message}\n` +
            `${await stateOf(this.instances)}\n${lastWordsOf(this.instances)}`,
        );
      },
    );
  }

  async #startInstance(): Promise<ServiceProcess> {
    const environment = this.flow.environment(this.cluster.brokers, this.#postgres.url);
    const instance = ServiceProcess.spawn(environment, this.#options.directory);
    // The lanes may be unable to work. The campaign itself waits for answers, for a limited time.
    await instance.listens();
    return instance;
  }
}
