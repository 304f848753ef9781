import pino from 'pino';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { AnswerReader } from '../../src/entrypoints/answered-offsets.ts';
import { DeliveryLog } from '../../src/entrypoints/delivery-log.ts';
import { EarlierCommands } from '../../src/entrypoints/earlier-commands.ts';
import type { LaneContext } from '../../src/entrypoints/lane-context.ts';
import { committedOffsetsOf, LaneOffsets } from '../../src/entrypoints/lane-offsets.ts';
import { ByteBudget } from '../../src/entrypoints/memory-budget.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import { ProductTurns } from '../../src/entrypoints/product-turns.ts';
import { UnknownFields } from '../../src/entrypoints/unknown-fields.ts';
import { RepeatedWarnings } from '../../src/repeated-warnings.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { LanePosition } from '../../src/service-layer/lane-store.ts';
import { quietBus } from './commands.ts';
import { over } from './over.ts';

/** The lane that the tests take over. */
export const LANE = { topic: 'commands', partition: 0 };

const TOPICS = { eventsTopic: 'events', deadLettersTopic: 'dead-letters' };

/** The options of a take over that nobody watches. */
export const UNWATCHED = {
  signal: new AbortController().signal,
  onProgress: () => {},
  onProducer: () => {},
};

/** An embedded log in memory with ten commands, and the parts that a take over of a lane needs. */
export class TakeOverRun {
  readonly database: Database;
  readonly broker: Broker;
  readonly store: SqlLaneStore;
  readonly warnings: string[] = [];

  private constructor(database: Database) {
    this.database = database;
    this.broker = new EmbeddedBroker(database);
    this.store = new SqlLaneStore(database, () => {});
  }

  static async open(): Promise<TakeOverRun> {
    const database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    const run = new TakeOverRun(database);
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await run.broker.ensureTopics(topics, true);
    await run.broker.publish(
      'commands',
      Array.from({ length: 10 }, () => ({ key: null, value: '{}', headers: {} })),
    );
    return run;
  }

  async close(): Promise<void> {
    await this.broker.close();
    await this.database.close();
  }

  context(group = 'group', log: Broker = this.broker): LaneContext {
    const { store } = this;
    const metrics = new Metrics();
    const lines = pino(
      { level: 'warn' },
      { write: (line: string) => void this.warnings.push(JSON.parse(line).msg) },
    );
    const repeated = new RepeatedWarnings(lines);
    return {
      broker: log,
      store,
      group,
      answerContext: {
        bus: quietBus(),
        ...TOPICS,
        parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
        strictCommands: false,
        clock: () => new Date(),
        metrics,
      },
      published: new LaneOffsets(committedOffsetsOf(log, group)),
      earlier: new EarlierCommands({ broker: log, store, metrics: metrics.lanes, log: lines }),
      relayBudget: new ByteBudget(1_000_000),
      productTurns: new ProductTurns(),
      unknownFields: new UnknownFields(metrics, repeated),
      deliveryLog: new DeliveryLog(repeated),
      answerReader: new AnswerReader(log, TOPICS, lines),
      reopenAll: () => {},
      recoveryAdvice: async () => 'rebuild it',
      log: lines,
    };
  }

  /** Returns what an operator's decision about the lane reads. */
  sourcesOf(log: Broker) {
    const { database, store } = this;
    const answers = new AnswerReader(log, TOPICS, { info: () => {} });
    return { broker: log, database, store, answers, commandsTopic: 'commands', group: 'group' };
  }

  /**
   * Records in the database that the commands below `nextOffset` are answered.
   * @param waiting how many of the last answers wait in the outbox
   */
  async recordAnswers(nextOffset: number, waiting: number, group?: string): Promise<void> {
    const { broker, store } = this;
    if (group !== undefined) await store.bind(LANE, await broker.logId('commands'), group);
    const position = await store.readPosition(LANE);
    const offsets = Array.from({ length: waiting }, (_, index) => nextOffset - waiting + index);
    const outbox = offsets.map((sourceOffset, index) => ({
      topic: 'events',
      ...answerTo(sourceOffset),
      sourceOffset,
      sequence: position.nextSequence + index,
    }));
    const next: LanePosition = {
      ...position,
      nextOffset,
      nextSequence: position.nextSequence + waiting,
    };
    await store.transaction(LANE, position, async () => ({
      next,
      outbox,
      publishedBelowOffset: 0,
      restsOn: [],
    }));
  }

  /** Returns the offsets of the commands whose answers are published, in order. */
  async publishedOffsets(): Promise<readonly number[]> {
    const ids: string[] = [];
    const take = async ({
      records,
    }: {
      readonly records: readonly { readonly headers: object }[];
    }) =>
      void ids.push(
        ...records.map(
          ({ headers }) => String((headers as { ce_id: Buffer }).ce_id).split('/')[2] ?? '',
        ),
      );
    await this.broker.read('events', await this.broker.offsetRanges('events'), take);
    return ids.map(Number);
  }

  async committedOffset(group = 'group'): Promise<number | null | undefined> {
    return (await this.broker.committedOffsets(group, 'commands'))[0];
  }

  /** Returns a broker whose retention has deleted the beginning of the events. */
  shortenedBroker(): Broker {
    const { broker } = this;
    return over(broker, {
      offsetRanges: async (topic) =>
        (await broker.offsetRanges(topic)).map((range) => ({
          ...range,
          beginning: topic === 'events' ? Math.min(1, range.end) : 0,
        })),
    });
  }
}

/** Makes an event that answers the command at the offset. */
export function answerTo(offset: number) {
  return {
    key: 'LAMP',
    value: '{}',
    headers: { ce_source: '/allocation', ce_id: `commands/0/${offset}` },
  };
}
