import pino from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lane-store.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics.ts';
import type { Broker, ReceivedRecord } from '../../src/service-layer/unit-of-work.ts';
import { quietBus } from '../support/commands.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';

/** As the server does with a row that is too large for an index. */
const REFUSE_ONE = `create function refuse() returns trigger language plpgsql as $$ begin
    if new.reference = 'too-large' then raise exception 'index row size exceeds maximum' using errcode = '54000'; end if;
    return new;
  end $$`;

describe.skipIf(inject('postgresUrl') === null)('A lane on PostgreSQL', () => {
  let place: Awaited<ReturnType<typeof postgresDatabase>>;
  let database: Database;
  let log: Database;
  let broker: Broker;
  let consumer: CommandConsumer;
  const events: ReceivedRecord[] = [];
  const deadLetters: ReceivedRecord[] = [];

  beforeEach(async () => {
    place = await postgresDatabase();
    database = await Database.open(place.url);
    await database.runMigrations();
    log = await Database.open('sqlite:///:memory:');
    await log.runMigrations();
    broker = new EmbeddedBroker(log);
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({ name, partitions: 1, maxMessageBytes: 1_000_000 }));
    await broker.ensureTopics(topics, true);
    await broker.tail('events', 'beginning', (record) => events.push(record));
    await broker.tail('dead-letters', 'beginning', (record) => deadLetters.push(record));
    const metrics = new Metrics(() => consumer.lanes());
    const answering = {
      bus: quietBus(),
      eventsTopic: 'events',
      deadLettersTopic: 'dead-letters',
      parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
      clock: () => new Date(),
      metrics,
    };
    consumer = new CommandConsumer('commands', {
      broker,
      store: new SqlLaneStore(database, () => {}),
      group: 'group',
      recoveryAdvice: async () => '',
      log: pino({ level: 'silent' }),
      answering,
    });
  });

  afterEach(async () => {
    await consumer.close();
    await broker.close();
    await log.close();
    await database.close();
    await place.remove();
    events.length = 0;
    deadLetters.length = 0;
  });

  it('sends a command that goes beyond a limit of the server to the dead letters, and answers the others', async () => {
    await database.query(REFUSE_ONE);
    await database.query('create trigger refuse before insert on batches for each row execute function refuse()');
    const references = ['one', 'too-large', 'two'];
    const values = references.map((reference) =>
      JSON.stringify({ id: reference, type: 'CreateBatch', reference, sku: `SKU-${reference}`, quantity: 1, eta: null }),
    );
    await broker.publish(
      'commands',
      values.map((value) => ({ key: 'key', value, headers: {} })),
    );
    await consumer.start();
    await eventually(() => expect([events.length, deadLetters.length]).toEqual([2, 1]), { withinMs: 30_000 });
    expect(events.map(({ value }) => JSON.parse(String(value)).reference)).toEqual(['one', 'two']);
    expect(String(deadLetters[0]?.headers['dead-letter-reason'])).toBe('handler-failed');
  }, 60_000);
});
