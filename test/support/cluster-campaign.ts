import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './campaign-verdict.ts';
import { ClusterAnswers } from './cluster-answers.ts';
import type { PartitionView } from './cluster-view.ts';
import { CommandFlow, lanesAtWork } from './command-flow.ts';
import { startCpuHogs } from './cpu-hogs.ts';
import { eventually } from './eventually.ts';
import { HttpCommands } from './http-commands.ts';
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
/** So many commands that some still wait when two brokers are killed. */
const BURST = 3_000;
/** A service that has not recovered by then never will. */
const GIVE_UP_MS = 120_000;
/**
 * How long Kafka may keep a transaction open after a leader was cut off while a marker was under
 * way to that leader. Kafka sends the marker again 30 to 60 s later (docs/decisions/0022). No
 * client can end the transaction earlier.
 */
const MARKER_MS = 60_000;
/** Two brokers that start at once on two cores take longer than one. The full cause is unknown. */
const TWO_STARTS_MS = 15_000;
/**
 * How long Kafka may take, on a busy machine, until it has elected leaders, or has all replicas in
 * sync.
 */
const KAFKA_MS = 180_000;
/**
 * How long the service may say that it is ready while two of three brokers are away: 30 s, and a
 * margin for a busy machine.
 */
const UNREADY_MS = 45_000;
/**
 * How soon after that the service logs a warning. A producer waits 20 s, and the watchdog of lanes
 * 30 s.
 */
const WARNING_MS = 60_000;
const CLOCK_OFFSET_SECONDS = 600;
/** How many lines of the output of each instance a finding quotes. */
const LINES = 60;
const WARNING = 40;

/** How long answers stopped, in milliseconds. */
export interface Recovery {
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

/**
 * How the absence of a broker begins. An orderly stop or move is complete by itself. After a sudden
 * one, Kafka elects leaders.
 */
type Manner = 'in order' | 'suddenly';

export interface ClusterCampaignOptions {
  readonly directory: string;
  readonly version: KafkaVersion;
  readonly instances: number;
  /** The session timeout of the brokers. See `ClusterOptions`. */
  readonly sessionMs: number;
  /** The number of busy processes that take the machine away meanwhile. */
  readonly cpuHogs: number;
  /** The time after which a recovery is too slow. */
  readonly limitMs: number;
}

export type ClusterFaultName = keyof ClusterCampaign['faults'];

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
  /** The faults of the service found so far, besides those that the judge finds. */
  readonly #findings: string[] = [];
  #recoveries: Recovery[] = [];
  #limitMs = 0;
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
   * answered.
   * @returns each time that answers stopped
   */
  async endure(name: ClusterFaultName): Promise<readonly Recovery[]> {
    this.#recoveries = [];
    this.#limitMs = this.#options.limitMs + allowanceMs(name);
    this.#readiness.begin(name);
    let isOver = false;
    const urls = () => this.instances.map(({ url }) => url);
    const sending = Promise.all([
      this.flow.send(this.#rounds++, COMMANDS_PER_FAULT, () => isOver),
      this.#http.send(urls, () => isOver),
    ]);
    sending.catch(() => {}); // awaited below
    try {
      await sleep(Math.random() * 4 * ROUGHNESS.pauseMs);
      await this.faults[name]();
      await eventually(() => this.#answers.isWhole(), { withinMs: KAFKA_MS });
      await this.#measure(`${name}, when it is over`, 'in order', async () => {});
    } finally {
      isOver = true;
      await sending;
    }
    this.#findings.push(...this.#readiness.end());
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

  readonly faults = {
    'a rolling restart of all brokers': async () => {
      for (const broker of this.cluster.all)
        await this.#away('a broker stopped in order', 'in order', broker);
      await this.cluster.view.elect(null, this.cluster.all[0] as number);
    },
    'each broker killed with -9': async () => {
      for (const broker of this.cluster.all)
        await this.#away('a broker killed', 'suddenly', broker);
    },
    'the controller killed with -9': async () => {
      const controller = await eventually(() =>
        this.cluster.view.controller(this.cluster.all[0] as number),
      );
      await this.#away('the controller killed', 'suddenly', controller);
    },
    "the group's coordinator moved": async () => {
      const offsets = await this.#partitionsOf('__consumer_offsets');
      const place = javaHash(this.flow.group) % offsets.length;
      await this.#moveLeaders(offsets.filter(({ partition }) => partition === place));
    },
    "the transactions' coordinators moved": async () =>
      this.#moveLeaders(await this.#partitionsOf('__transaction_state')),
    'leaders moved': async () => {
      const { commands, events } = this.flow.topics;
      await this.#moveLeaders([
        ...(await this.#partitionsOf(commands)),
        ...(await this.#partitionsOf(events)),
      ]);
    },
    'two of three brokers killed': () => this.#twoAway(),
    'a broker cut off from everybody': () => this.#cutOff('everybody'),
    'a broker cut off from the other brokers': () => this.#cutOff('machines'),
    "the brokers' clocks apart": () => this.#clocksApart(),
  } satisfies Record<string, () => Promise<unknown>>;

  async #begin(): Promise<void> {
    await this.flow.connect();
    for (let index = 0; index < this.#options.instances; index += 1)
      this.instances[index] = await this.#startInstance();
    await this.flow.bringStock();
    await this.flow.send(this.#rounds++, COMMANDS_AT_FIRST);
    await this.#answered(await this.#answers.ends());
    await eventually(() => this.#answers.isWhole(), { withinMs: KAFKA_MS });
  }

  /** Ends the broker, and starts it again once commands are answered. */
  async #away(what: string, manner: Manner, broker: number): Promise<void> {
    await this.#measure(what, manner, () =>
      this.cluster.endBroker(broker, manner === 'in order' ? 'stop' : 'kill'),
    );
    await this.cluster.startBroker(broker);
    await eventually(() => this.#answers.isWhole(), { withinMs: KAFKA_MS });
  }

  async #cutOff(from: 'machines' | 'everybody'): Promise<void> {
    const broker = random(this.cluster.all);
    await this.#measure(`a broker cut off from ${from}`, 'suddenly', () =>
      this.cluster.cut(broker, from),
    );
    await this.cluster.mend(broker);
  }

  async #moveLeaders(partitions: readonly PartitionView[]): Promise<void> {
    await this.#measure('leaders moved', 'in order', async () => {
      await Promise.all(partitions.map((each) => this.#moveLeader(each)));
    });
  }

  async #moveLeader(partition: PartitionView): Promise<void> {
    const { leader, replicas } = partition;
    const heir = random(replicas.filter((replica) => replica !== leader));
    const order = [heir, ...replicas.filter((replica) => replica !== heir)];
    await this.cluster.view.lead(partition, order, heir);
  }

  /**
   * Sets the clock of one broker ahead and of another behind. Then moves what they coordinate and
   * lead between them.
   */
  async #clocksApart(): Promise<void> {
    const [ahead, behind] = this.cluster.all as [number, number];
    const offsets = new Map([
      [ahead, CLOCK_OFFSET_SECONDS],
      [behind, -CLOCK_OFFSET_SECONDS],
    ]);
    for (const [broker, offset] of offsets) {
      await this.#measure('a broker stopped in order', 'in order', () =>
        this.cluster.endBroker(broker, 'stop'),
      );
      await this.cluster.startBroker(broker, offset);
      await eventually(() => this.#answers.isWhole(), { withinMs: KAFKA_MS });
    }
    await this.#moveLeaders(await this.#answers.partitions());
    await this.#moveLeaders(await this.#answers.partitions());
    for (const broker of offsets.keys())
      await this.#away('a broker stopped in order', 'in order', broker);
  }

  /**
   * Kills two of three brokers. The service must wait, say why, and go on when the brokers are
   * back.
   */
  async #twoAway(): Promise<void> {
    const survivor = random(this.cluster.all);
    const away = this.cluster.all.filter((broker) => broker !== survivor);
    const linesBefore = this.instances.map(({ output }) => output.length);
    await this.flow.send(this.#rounds++, BURST);
    await Promise.all(away.map((broker) => this.cluster.endBroker(broker, 'kill')));
    const unready = this.instances.map((instance) =>
      this.#readiness.isUnready(instance, UNREADY_MS),
    );
    for (const [index, problem] of (await Promise.all(unready)).entries()) {
      if (problem)
        this.#findings.push(
          `Two of three brokers are away, and instance ${index} ${problem}\n${this.#lastWords()}`,
        );
      const warns = () => {
        const lines = this.instances[index]?.output.slice(linesBefore[index]) ?? [];
        if (!lines.some(isWarning)) throw new Error(`has logged no warning in ${WARNING_MS} ms`);
      };
      // Readiness may report the problem before the log does.
      await eventually(warns, { withinMs: WARNING_MS }).catch(({ message }: Error) => {
        this.#findings.push(
          `Two of three brokers are away, and instance ${index} ${message}\n${this.#lastWords()}`,
        );
      });
    }
    await this.#measure('two of three brokers killed', 'suddenly', async () => {
      await Promise.all(away.map((broker) => this.cluster.startBroker(broker)));
    });
  }

  async #partitionsOf(topic: string): Promise<readonly PartitionView[]> {
    return (await this.#answers.partitions()).filter((partition) => partition.topic === topic);
  }

  /**
   * Measures how long it takes until all earlier commands, and a probe of every lane, are answered.
   */
  async #measure(what: string, manner: Manner, happen: () => Promise<void>): Promise<void> {
    const linesBefore = this.instances.map(({ output }) => output.length);
    const orderedMs = performance.now();
    await happen();
    if (manner === 'suddenly')
      await eventually(() => this.#answers.isElected(), { withinMs: KAFKA_MS });
    const readyMs = performance.now();
    await this.flow.probe(this.#rounds++, this.cluster.wholeBrokers);
    const ends = await eventually(() => this.#answers.ends());
    const reason = await this.#answered(ends).then(
      () => null,
      ({ message }: Error) => message,
    );
    const endMs = performance.now();
    const sinceReadyMs = Math.round(endMs - readyMs);
    this.#recoveries.push({
      sinceOrderMs: Math.round(endMs - orderedMs),
      sinceReadyMs,
      isStuck: reason !== null,
    });
    if (reason === null && sinceReadyMs <= this.#limitMs) return;
    const verdict =
      reason === null
        ? `The service took ${sinceReadyMs} ms to recover`
        : `The service did not recover (${reason})`;
    this.#findings.push(
      `${verdict} from: ${what}\n${await this.#state()}\n${this.#lastWords(linesBefore)}`,
    );
    if (reason !== null) await this.#startAgain();
  }

  async #answered(ends: readonly number[]): Promise<void> {
    await eventually(() => this.#answers.isAnswered(ends), { withinMs: GIVE_UP_MS });
  }

  /** Kills and restarts all instances, as an operator does when nothing else helps. */
  async #startAgain(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.stop('SIGKILL')));
    await eventually(() => this.#answers.isElected(), { withinMs: KAFKA_MS });
    const starts = this.instances.map(() => this.#startInstance());
    this.instances.splice(0, this.instances.length, ...(await Promise.all(starts)));
    await this.#answered(await eventually(() => this.#answers.ends())).catch(
      async ({ message }) => {
        throw new Error(
          `The service did not recover even after a restart: ${message}\n` +
            `${await this.#state()}\n${this.#lastWords()}`,
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

  /** Returns what each instance reports about itself. */
  async #state(): Promise<string> {
    const states = this.instances.map(async ({ url }, index) => {
      const [lanes, readiness] = await Promise.all([
        lanesAtWork(url).catch(String),
        fetch(`${url}/readyz`).then((r) => r.text(), String),
      ]);
      return `instance ${index}: ${lanes} lanes work; /readyz: ${readiness}`;
    });
    return (await Promise.all(states)).join('\n');
  }

  /**
   * Returns the last lines of each instance.
   * @param from the number of earlier lines to skip, by instance
   */
  #lastWords(from: readonly number[] = []): string {
    const words = ({ output }: ServiceProcess, index: number) =>
      output.slice(from[index]).filter(isAboutItself).slice(-LINES);
    return this.instances.map((instance, index) => words(instance, index).join('\n')).join('\n\n');
  }
}

/** Returns the time that Kafka itself may need beyond the limit of the service. */
function allowanceMs(name: ClusterFaultName): number {
  if (name.includes('cut off')) return MARKER_MS;
  return name === 'two of three brokers killed' ? TWO_STARTS_MS : 0;
}

/**
 * Tells whether a line is about the instance itself. Most lines are about an order, because
 * products run out of stock all the time.
 */
function isAboutItself(line: string): boolean {
  return !line.includes('"orderid"');
}

function isWarning(line: string): boolean {
  return isAboutItself(line) && line.startsWith('{') && Number(JSON.parse(line).level) >= WARNING;
}

/**
 * Returns the Java hash of a text without its sign. Kafka finds the partition of a group or
 * transactional id by it.
 */
function javaHash(text: string): number {
  let hash = 0;
  for (const character of text) hash = (Math.imul(31, hash) + character.charCodeAt(0)) | 0;
  return hash & 0x7fffffff;
}

function random<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)] as T;
}
