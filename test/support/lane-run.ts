import pino from 'pino';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { LaneStore } from '../../src/service-layer/lane-store.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { quietBus } from './commands.ts';

const TOPICS = { eventsTopic: 'events', deadLettersTopic: 'dead-letters' };

/** Lanes on the embedded log in memory. A test may put its own parts between. */
export class LaneRun {
  readonly database: Database;
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly events: ReceivedRecord[] = [];
  #consumer: CommandConsumer | null = null;

  private constructor(database: Database) {
    this.database = database;
    this.broker = new EmbeddedBroker(database);
    this.store = new SqlLaneStore(database, () => {});
  }

  static async open(): Promise<LaneRun> {
    const database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    const run = new LaneRun(database);
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await run.broker.ensureTopics(topics, true);
    await run.broker.tail('events', 'beginning', (record) => run.events.push(record));
    return run;
  }

  async close(): Promise<void> {
    await this.#consumer?.close();
    await this.broker.close();
    await this.database.close();
  }

  /** Returns the consumer that `start` has started. */
  get consumer(): CommandConsumer {
    if (this.#consumer) return this.#consumer;
    throw new Error('No consumer has started');
  }

  async start(
    parts: { readonly broker: Broker; readonly store: LaneStore },
    commandsTopic = 'commands',
  ): Promise<void> {
    this.#consumer = new CommandConsumer(commandsTopic, {
      ...parts,
      group: 'group',
      recoveryAdvice: async () => '',
      log: pino({ level: 'silent' }),
      answerContext: {
        bus: quietBus(),
        ...TOPICS,
        parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
        strictCommands: false,
        clock: () => new Date(),
        metrics: new Metrics(),
      },
    });
    await this.#consumer.start();
  }

  /** Sends commands that create batches with these references. */
  async send(...references: readonly string[]): Promise<void> {
    const values = references.map((reference) =>
      JSON.stringify({
        id: reference,
        type: 'CreateBatch',
        reference,
        sku: 'LAMP',
        quantity: 1,
        eta: null,
      }),
    );
    await this.broker.publish(
      'commands',
      values.map((value) => ({ key: 'LAMP', value, headers: {} })),
    );
  }

  /** Lists the batches that the published events name, in order. */
  references(): readonly string[] {
    return this.events.map(({ value }) => JSON.parse(String(value)).reference);
  }
}
