import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openBroker, topicSettings } from '../src/bootstrap.ts';
import { type Config, readConfig } from '../src/config.ts';
import type { Broker } from '../src/service-layer/unit-of-work.ts';
import { ServiceProcess } from '../test/support/service-process.ts';

export type BackendName = 'kafka+sqlite' | 'kafka+postgresql' | 'embedded+sqlite';

/** Where servers are, as far as the cases at hand need them. */
export interface Servers {
  readonly kafkaBrokers: string | null;
  /** Makes an empty database and says where it is. */
  readonly createPostgres: (() => Promise<string>) | null;
}

/** One run's own topics, group, database and folder; and the bench's own client of the broker. */
export class Backend {
  readonly broker: Broker;
  readonly config: Config;
  readonly #environment: Record<string, string>;
  readonly #directory: string;

  private constructor(broker: Broker, config: Config, environment: Record<string, string>, directory: string) {
    this.broker = broker;
    this.config = config;
    this.#environment = environment;
    this.#directory = directory;
  }

  static async open(name: BackendName, servers: Servers): Promise<Backend> {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-bench-'));
    const run = crypto.randomUUID().slice(0, 8);
    const environment: Record<string, string> = {
      KAFKA_GROUP_ID: `bench-${run}`,
      COMMANDS_TOPIC: `commands-${run}`,
      EVENTS_TOPIC: `events-${run}`,
      DEAD_LETTERS_TOPIC: `dead-letters-${run}`,
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      LOG_LEVEL: 'info',
    };
    if (name.startsWith('kafka')) environment.KAFKA_BROKERS = servers.kafkaBrokers ?? '';
    if (name.endsWith('postgresql') && servers.createPostgres) environment.DATABASE_URL = await servers.createPostgres();
    const config = readConfig(environment);
    const broker = await openBroker(config, pino({ level: 'silent' }));
    await broker.ensureTopics(topicSettings(config), true);
    return new Backend(broker, config, environment, directory);
  }

  /** Starts the service as its users do. */
  startService(): Promise<ServiceProcess> {
    return ServiceProcess.start(this.#environment, this.#directory);
  }

  async publish(commands: readonly Record<string, unknown>[]): Promise<void> {
    const records = commands.map((command) => ({ key: String(command.sku), value: JSON.stringify(command), headers: {} }));
    await this.broker.publish(this.config.commandsTopic, records);
  }

  /** How many commands the group has answered. */
  async answered(): Promise<number> {
    const offsets = await this.broker.committedOffsets(this.config.groupId, this.config.commandsTopic);
    return offsets.reduce<number>((sum, offset) => sum + (offset ?? 0), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
