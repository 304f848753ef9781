// @module-tag db

import pino from 'pino';
import { afterEach, expect, test } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { asDeadLetters } from '../../src/dead-letters/read-dead-letter.ts';
import { redriveRecord } from '../../src/dead-letters/redrive-records.ts';
import { TooManyLinesError } from '../../src/domain/batch.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import { TooMuchAtOnceError } from '../../src/service-layer/errors.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';
import { describeOnEachDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';

const TOGETHER = 3;

/**
 * Refuses a quantity below `lowest`, as the domain refuses too many lines, and more than `TOGETHER`
 * commands in one transaction.
 */
class StrictBus extends MessageBus {
  lowest = 5;
  readonly #handled = new Map<UnitOfWork, number>();

  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    const count = (this.#handled.get(unitOfWork) ?? 0) + 1;
    this.#handled.set(unitOfWork, count);
    if (count > TOGETHER) throw new TooMuchAtOnceError('too much');
    if (command.type === 'ChangeBatchQuantity' && command.quantity < this.lowest)
      throw new TooManyLinesError('in steps, please');
    return super.handle(command, unitOfWork);
  }
}

describeOnEachDatabase('A lane', (current) => {
  const closing: (() => Promise<void>)[] = [];
  let events: ReceivedRecord[];
  let deadLetters: ReceivedRecord[];
  let broker: EmbeddedBroker;
  let bus: StrictBus;

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  const open = async () => {
    const database = await current.database();
    const log = await Database.open('sqlite:///:memory:');
    await log.runMigrations();
    broker = new EmbeddedBroker(log);
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await broker.ensureTopics(topics, true);
    events = [];
    deadLetters = [];
    await broker.tail('events', 'beginning', (record) => events.push(record));
    await broker.tail('dead-letters', 'beginning', (record) => deadLetters.push(record));
    bus = new StrictBus();
    const metrics = new Metrics();
    const consumer: CommandConsumer = new CommandConsumer('commands', {
      broker,
      store: new SqlLaneStore(database, () => {}),
      group: 'group',
      recoveryAdvice: async () => '',
      log: pino({ level: 'silent' }),
      answerContext: {
        bus,
        eventsTopic: 'events',
        deadLettersTopic: 'dead-letters',
        parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
        strictCommands: false,
        clock: () => new Date(),
        metrics,
      },
    });
    closing.push(async () => {
      await consumer.close();
      await broker.close();
      await log.close();
    });
    return { database, consumer };
  };
  const send = (...commands: readonly { readonly id: string; readonly type: string }[]) => {
    return broker.publish(
      'commands',
      commands.map((command) => ({ key: 'key', value: JSON.stringify(command), headers: {} })),
    );
  };
  const create = (id: string) => ({
    id,
    type: 'CreateBatch',
    reference: id,
    sku: `SKU-${id}`,
    quantity: 10,
  });
  const change = (id: string, quantity: number) => ({
    id,
    type: 'ChangeBatchQuantity',
    reference: 'a',
    quantity,
  });
  const answeredIds = () => events.map(({ headers }) => String(headers.ce_causationid));
  const isAnswered = (...ids: readonly string[]) =>
    eventually(() => expect(answeredIds()).toEqual(ids), { withinMs: 30_000 });

  test('writes one dead letter for a too large command, and parks nothing behind it', async () => {
    const { database, consumer } = await open();
    await send(create('a'), change('huge', 0), change('step', 5));
    await consumer.start();
    await isAnswered('a', 'step');
    await eventually(() => expect(deadLetters).toHaveLength(1));
    const [letter] = asDeadLetters(deadLetters);
    expect(letter).toMatchObject({
      reason: 'too-large',
      message: 'in steps, please',
      commandId: 'huge',
      attempts: 1,
      position: null,
    });
    expect(await database.query("select id from processed_commands where id = 'huge'")).toEqual([]);
    expect(await database.query('select id from parked_commands')).toEqual([]);
  }, 60_000);

  test('answers a refused command when it is redriven and has become small enough', async () => {
    const { consumer } = await open();
    await send(create('a'), change('huge', 0));
    await consumer.start();
    await eventually(() => expect(deadLetters).toHaveLength(1), { withinMs: 30_000 });
    const [letter] = asDeadLetters(deadLetters);
    if (!letter) throw new Error('There is no dead letter');
    bus.lowest = 0;
    await broker.publish('commands', [redriveRecord(letter)]);
    await isAnswered('a', 'huge');
  }, 60_000);

  test('answers commands in parts and in order when one transaction is too small', async () => {
    const { consumer } = await open();
    const ids = Array.from({ length: 4 * TOGETHER + 1 }, (_, n) => `command-${n}`);
    await send(...ids.map(create));
    await consumer.start();
    await isAnswered(...ids);
    expect(deadLetters).toEqual([]);
  }, 60_000);
});
