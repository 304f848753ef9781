import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { describe, inject } from 'vitest';
import { bootstrap, type Service } from '../../src/bootstrap.ts';
import { type Config, readConfig } from '../../src/config.ts';
import type { Overrides } from '../../src/foundation.ts';
import { rangesFrom } from '../../src/replay/offset-ranges.ts';
import type { ReadChunk } from '../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import { type CliResult, runCli, runCliHere } from './cli.ts';
import { eventually } from './eventually.ts';

/** Runs the service inside the process of the test, on its own broker and SQLite file. */
export class RunningService {
  readonly config: Config;
  readonly service: Service;
  readonly events: ReceivedRecord[] = [];
  readonly deadLetters: ReceivedRecord[] = [];
  /** All log lines, parsed. */
  readonly log: Record<string, unknown>[];
  readonly #directory: string;

  private constructor(
    config: Config,
    service: Service,
    log: Record<string, unknown>[],
    directory: string,
  ) {
    this.config = config;
    this.service = service;
    this.log = log;
    this.#directory = directory;
  }

  static async start(
    environment: Record<string, string>,
    overrides: Overrides = {},
  ): Promise<RunningService> {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    const run = crypto.randomUUID().slice(0, 8);
    const config = readConfig({
      KAFKA_GROUP_ID: `group-${run}`,
      COMMANDS_TOPIC: `commands-${run}`,
      EVENTS_TOPIC: `events-${run}`,
      DEAD_LETTERS_TOPIC: `dead-letters-${run}`,
      TOPIC_PARTITIONS: '2',
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      HTTP_PORT: '0',
      ...environment,
    });
    const lines: Record<string, unknown>[] = [];
    const log = pino(
      { level: 'info' },
      { write: (line: string) => void lines.push(JSON.parse(line)) },
    );
    const service = await bootstrap(config, log, overrides);
    await service.start();
    const running = new RunningService(config, service, lines, directory);
    await service.broker.tail(config.eventsTopic, 'beginning', (record) =>
      running.events.push(record),
    );
    await service.broker.tail(config.deadLettersTopic, 'beginning', (record) =>
      running.deadLetters.push(record),
    );
    await running.idle();
    return running;
  }

  /**
   * Publishes records to the commands topic.
   * @returns their places, as `partition/offset`
   */
  async send(...records: (Partial<LogRecord> | object)[]): Promise<readonly string[]> {
    const complete = records.map((each) => {
      const isRecord = 'value' in each;
      return isRecord
        ? { ...{ key: null, headers: {} }, ...(each as Partial<LogRecord>) }
        : { key: null, headers: {}, value: JSON.stringify(each) };
    });
    const places = await this.service.broker.publish(
      this.config.commandsTopic,
      complete as LogRecord[],
    );
    return places.map(({ partition, offset }) => `${partition}/${offset}`);
  }

  /**
   * Resolves when every command sent so far is answered, and `events` and `deadLetters` have all
   * answers.
   */
  async idle(): Promise<void> {
    const { broker, consumer } = this.service;
    const { commandsTopic, eventsTopic, deadLettersTopic, groupId } = this.config;
    await eventually(
      async () => {
        const ranges = await broker.offsetRanges(commandsTopic);
        const committed = await broker.committedOffsets(groupId, commandsTopic);
        const behind = ranges.filter(({ partition, end }) => end > (committed[partition] ?? 0));
        if (behind.length > 0 || consumer.problems().length > 0)
          throw new Error(
            `still at work: ${JSON.stringify({ behind, problems: consumer.problems() })}`,
          );
      },
      { withinMs: 60_000 },
    );
    await this.#haveArrived(eventsTopic, this.events);
    await this.#haveArrived(deadLettersTopic, this.deadLetters);
  }

  async #haveArrived(topic: string, received: readonly ReceivedRecord[]): Promise<void> {
    const { broker } = this.service;
    const refuseRecords = async ({ records }: ReadChunk) => {
      if (records.length > 0) throw new Error(`${topic} has records that have not arrived`);
    };
    await eventually(
      async () => {
        const ranges = await broker.offsetRanges(topic);
        const next = received.map(({ partition, offset }) => [partition, offset + 1] as const);
        await broker.read(topic, rangesFrom(ranges, new Map(next)), refuseRecords);
      },
      { withinMs: 60_000 },
    );
  }

  /** Runs the command line tool, as an operator of this service does. */
  cli(...args: string[]): Promise<CliResult> {
    return runCliHere(this.#operatorEnvironment(), this.#directory, args);
  }

  /** Runs the command line tool in a process of its own, while the service goes on. */
  cliApart(...args: string[]): Promise<CliResult> {
    return runCli(this.#operatorEnvironment(), this.#directory, args);
  }

  #operatorEnvironment(): Record<string, string> {
    const { config } = this;
    return {
      KAFKA_GROUP_ID: config.groupId,
      COMMANDS_TOPIC: config.commandsTopic,
      EVENTS_TOPIC: config.eventsTopic,
      DEAD_LETTERS_TOPIC: config.deadLettersTopic,
      TOPIC_PARTITIONS: String(config.topicPartitions),
      DATABASE_URL: config.databaseUrl,
      KAFKA_BROKERS: config.kafkaBrokers?.join(',') ?? '',
    };
  }

  /** Returns the type of each event so far, with composites unfolded. */
  eventTypes(): string[] {
    return this.events.flatMap(({ headers, value }) =>
      String(headers.ce_type) === 'CompositeDomainEvent'
        ? JSON.parse(String(value)).events.map(({ type }: { type: string }) => type)
        : [String(headers.ce_type)],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Declares the same tests on the embedded broker and, where there is one, on real Kafka. */
export function describeOnEachBroker(
  name: string,
  tests: (environment: Record<string, string>) => void,
): void {
  const brokers = inject('kafkaBrokers');
  describe(`${name}, on the embedded broker`, () => tests({}));
  describe.skipIf(!brokers)(`${name}, on Kafka`, { tags: ['kafka'] }, () =>
    tests({ KAFKA_BROKERS: brokers ?? '' }),
  );
}
