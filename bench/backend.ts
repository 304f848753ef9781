import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Config, readConfig } from '../src/config.ts';
import { openBroker } from '../src/connections.ts';
import type { Broker } from '../src/service-layer/broker.ts';
import { topicSettings } from '../src/topic-settings.ts';
import { runCli } from '../test/support/cli.ts';
import { ServiceProcess } from '../test/support/service-process.ts';
import { type Peer, startPeer } from './peers/peer.ts';
import { type Command, keyOf, type Workload } from './workload.ts';

const PUBLISH_AT_ONCE = 5_000;
const CHECK_TIMEOUT_MS = 120_000;

export type BackendName = 'kafka+sqlite' | 'kafka+postgresql' | 'embedded+sqlite';
export type OnProgress = (text: string) => void;

/** The servers that the cases need. */
export interface Servers {
  readonly kafkaBrokers: string;
  /** Creates an empty database, and returns its url. */
  readonly createPostgres: () => Promise<string>;
}

/** One run has its own topics, group, database and folder, and a broker client of the bench. */
export class Backend {
  readonly broker: Broker;
  readonly config: Config;
  readonly #environment: Record<string, string>;
  readonly #directory: string;

  private constructor(
    broker: Broker,
    config: Config,
    environment: Record<string, string>,
    directory: string,
  ) {
    this.broker = broker;
    this.config = config;
    this.#environment = environment;
    this.#directory = directory;
  }

  /**
   * Opens a backend.
   * @param commandsTopic an existing topic whose commands are answered once more
   */
  static async open(name: BackendName, servers: Servers, commandsTopic?: string): Promise<Backend> {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-bench-'));
    const run = crypto.randomUUID().slice(0, 8);
    const environment: Record<string, string> = {
      KAFKA_GROUP_ID: `bench-${run}`,
      COMMANDS_TOPIC: commandsTopic ?? `commands-${run}`,
      EVENTS_TOPIC: `events-${run}`,
      DEAD_LETTERS_TOPIC: `dead-letters-${run}`,
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      LOG_LEVEL: 'info',
    };
    if (name.startsWith('kafka')) environment.KAFKA_BROKERS = servers.kafkaBrokers;
    if (name.endsWith('postgresql')) environment.DATABASE_URL = await servers.createPostgres();
    const config = readConfig(environment);
    const broker = await openBroker(config, pino({ level: 'silent' }));
    await broker.ensureTopics(topicSettings(config), true);
    return new Backend(broker, config, environment, directory);
  }

  /** Starts the service as its users do. */
  startService(): Promise<ServiceProcess> {
    return ServiceProcess.start(this.#environment, this.#directory);
  }

  /**
   * Builds another database from the events, as an operator does.
   * @returns the number of records read, and the seconds it took
   */
  async rebuild(): Promise<{ readonly read: number; readonly seconds: number }> {
    const into = `sqlite:///${join(this.#directory, 'rebuilt.db')}`;
    const args = ['replay', 'rebuild', '--into', into, '--execute', '--json'];
    const { code, stdout, stderr } = await runCli(this.#environment, this.#directory, args);
    if (code !== 0) throw new Error(`The rebuild ended with ${code}: ${stderr}`);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  }

  startPeer(peer: Peer): Promise<ServiceProcess> {
    return startPeer(peer, { ...this.#environment, STATE_DIRECTORY: this.#directory });
  }

  async publish(commands: readonly Command[]): Promise<void> {
    const records = commands.map((command) => ({
      key: keyOf(command),
      value: JSON.stringify(command),
      headers: {},
    }));
    await this.broker.publish(this.config.commandsTopic, records);
  }

  /**
   * Publishes this many orders, from number `from` on. If `from` is 0, publishes the stock first.
   */
  async preload(
    { stock, order }: Workload,
    orders: number,
    onProgress: OnProgress,
    from = 0,
  ): Promise<void> {
    if (from === 0) await this.publish(stock);
    for (let start = from; start < from + orders; start += PUBLISH_AT_ONCE) {
      await this.publish(
        Array.from({ length: Math.min(PUBLISH_AT_ONCE, from + orders - start) }, (_, index) =>
          order(start + index),
        ),
      );
      onProgress(`preloading ${start - from + PUBLISH_AT_ONCE} of ${orders}`);
    }
  }

  /**
   * Returns how far a `read_committed` consumer could read the events now. On Kafka the markers of
   * transactions count too, a few in a thousand.
   */
  async visibleEvents(): Promise<number> {
    const ranges = await this.broker.offsetRanges(this.config.eventsTopic);
    return ranges.reduce((sum, { beginning, end }) => sum + end - beginning, 0);
  }

  /**
   * Reads the events as a `read_committed` consumer does.
   * @throws when there is not exactly one event for each of the `expected` commands
   */
  async checkOutcomes(expected: number, onProgress: OnProgress): Promise<void> {
    const answered = new Set<string>();
    let events = 0;
    const done = Promise.withResolvers<void>();
    const tail = await this.broker.tail(this.config.eventsTopic, 'beginning', ({ headers }) => {
      events += 1;
      answered.add(String(headers.ce_causationid));
      if (events % 10_000 === 0) onProgress(`checking ${events} of ${expected} outcomes`);
      if (answered.size === expected) done.resolve();
    });
    const timer = setTimeout(
      () => done.reject(new Error(`Only ${answered.size} of ${expected} commands have an outcome`)),
      CHECK_TIMEOUT_MS,
    );
    try {
      await done.promise;
    } finally {
      clearTimeout(timer);
      await tail.close();
    }
    if (events !== expected) throw new Error(`${events} outcomes for ${expected} commands`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
