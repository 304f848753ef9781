// @module-tag db
// @module-tag slow

import pino from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';

/** Fails as the server does when a row is too large for an index. */
const REFUSE_ONE =
  `create function refuse() returns trigger language plpgsql as $$ begin
    if new.reference = 'too-large' then raise exception 'index row size exceeds maximum' ` +
  `using errcode = '54000'; end if;
    return new;
  end $$`;

/** Makes each new batch take 2 s, so that four exceed the time-out of a statement. */
const SLOW_DOWN = `create function slow_down() returns trigger language plpgsql as $$ begin
    perform pg_sleep(2);
    return new;
  end $$`;

/** Keeps the process busy for a while with each command, as a large decision does. */
class BusyBus extends MessageBus {
  busyMs = 0;

  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override handle(...call: Parameters<MessageBus['handle']>) {
    for (const endMs = performance.now() + this.busyMs; performance.now() < endMs; );
    return super.handle(...call);
  }
}

describe.skipIf(inject('postgresUrl') === null)('A lane on PostgreSQL', () => {
  let place: Awaited<ReturnType<typeof postgresDatabase>>;
  let database: Database;
  let log: Database;
  let broker: Broker;
  let consumer: CommandConsumer;
  let bus: BusyBus;
  const events: ReceivedRecord[] = [];
  const deadLetters: ReceivedRecord[] = [];
  const logged: string[] = [];

  beforeEach(async () => {
    place = await postgresDatabase();
    database = await Database.open(place.url);
    await database.runMigrations();
    log = await Database.open('sqlite:///:memory:');
    await log.runMigrations();
    broker = new EmbeddedBroker(log);
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await broker.ensureTopics(topics, true);
    await broker.tail('events', 'beginning', (record) => events.push(record));
    await broker.tail('dead-letters', 'beginning', (record) => deadLetters.push(record));
    const metrics = new Metrics();
    bus = new BusyBus();
    const answerContext = {
      bus,
      eventsTopic: 'events',
      deadLettersTopic: 'dead-letters',
      parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
      strictCommands: false,
      clock: () => new Date(),
      metrics,
    };
    consumer = new CommandConsumer('commands', {
      broker,
      store: new SqlLaneStore(database, () => {}),
      group: 'group',
      recoveryAdvice: async () => '',
      log: pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line).msg) }),
      answerContext,
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
    logged.length = 0;
  });

  const createBatch = (reference: string, sku: string) => ({
    id: reference,
    type: 'CreateBatch',
    reference,
    sku,
    quantity: 1,
    eta: null,
  });
  const publish = (...commands: readonly object[]) =>
    broker.publish(
      'commands',
      commands.map((command) => ({ key: 'key', value: JSON.stringify(command), headers: {} })),
    );

  /** Locks all products, as another process does. @returns a function that unlocks them */
  async function lockProducts(): Promise<() => Promise<void>> {
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const isLocked = Promise.withResolvers<void>();
    const held = database.transaction(async (sql) => {
      await sql('set local idle_in_transaction_session_timeout = 0');
      await sql('select sku from products for update');
      isLocked.resolve();
      await mayEnd;
    });
    await isLocked.promise;
    return () => {
      end();
      return held;
    };
  }

  it('repeats a transaction that waited too long for a product, without opening anew', async () => {
    await publish(createBatch('b', 'LAMP'));
    await consumer.start();
    await eventually(() => expect(events).toHaveLength(1), { withinMs: 30_000 });
    const release = await lockProducts();
    await publish({ id: 'order', type: 'AllocateOrder', orderid: 'o', sku: 'LAMP', qty: 1 });
    const startTimes = new Set<number>();
    const waiting =
      'select cast(extract(epoch from xact_start) * 1000000 as bigint) as begun ' +
      `from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    const hasWaitedTwice = async () => {
      for (const row of await database.query<{ begun: number }>(waiting)) startTimes.add(row.begun);
      expect(startTimes.size).toBe(2);
    };
    await eventually(hasWaitedTwice, { withinMs: 30_000 }).finally(release);
    await eventually(() => expect(events).toHaveLength(2), { withinMs: 60_000 });
    expect(logged.filter((message) => /^Partition \d+ (processing|stopped)/.test(message))).toEqual(
      ['Partition 0 processing'],
    );
  }, 180_000);

  it('answers the other commands when one exceeds a limit of the server', async () => {
    await database.query(REFUSE_ONE);
    await database.query(
      'create trigger refuse before insert on batches for each row execute function refuse()',
    );
    const references = ['one', 'too-large', 'two'];
    await publish(...references.map((reference) => createBatch(reference, `SKU-${reference}`)));
    await consumer.start();
    await eventually(() => expect([events.length, deadLetters.length]).toEqual([2, 1]), {
      withinMs: 30_000,
    });
    expect(events.map(({ value }) => JSON.parse(String(value)).reference)).toEqual(['one', 'two']);
    expect(String(deadLetters[0]?.headers['dead-letter-reason'])).toBe('handler-failed');
  }, 60_000);

  it('answers commands in halves when the server is too slow for all of them', async () => {
    await database.query(SLOW_DOWN);
    await database.query(
      'create trigger slow before insert on batches for each row execute function slow_down()',
    );
    const references = ['one', 'two', 'three', 'four'];
    await publish(...references.map((reference) => createBatch(reference, `SKU-${reference}`)));
    await consumer.start();
    await eventually(() => expect(events).toHaveLength(4), { withinMs: 60_000 });
    expect(events.map(({ value }) => JSON.parse(String(value)).reference)).toEqual(references);
    expect(deadLetters).toEqual([]);
  }, 90_000);

  it('answers commands in halves when deciding all outlasts a silent session', async () => {
    bus.busyMs = 1_500;
    const references = ['one', 'two', 'three', 'four'];
    await publish(...references.map((reference) => createBatch(reference, `SKU-${reference}`)));
    await consumer.start();
    await eventually(() => expect(events).toHaveLength(4), { withinMs: 60_000 });
    expect(events.map(({ value }) => JSON.parse(String(value)).reference)).toEqual(references);
    expect(deadLetters).toEqual([]);
    expect(logged.filter((message) => /^Partition \d+ stopped/.test(message))).toEqual([]);
  }, 90_000);
});
