// @module-tag db

import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { LaneStore } from '../../src/service-layer/lane-store.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { quietBus } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { over } from '../support/over.ts';

describe('A lane', () => {
  let database: Database;
  let broker: Broker;
  let store: LaneStore;
  let consumer: CommandConsumer;
  const events: ReceivedRecord[] = [];

  beforeEach(async () => {
    database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    broker = new EmbeddedBroker(database);
    store = new SqlLaneStore(database, () => {});
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await broker.ensureTopics(topics, true);
    await broker.tail('events', 'beginning', (record) => events.push(record));
  });

  afterEach(async () => {
    events.length = 0;
    await consumer.close();
    await broker.close();
    await database.close();
  });

  async function start(
    parts: { readonly broker: Broker; readonly store: LaneStore },
    commandsTopic = 'commands',
  ): Promise<void> {
    const metrics = new Metrics();
    const topics = { eventsTopic: 'events', deadLettersTopic: 'dead-letters' };
    const answering = {
      bus: quietBus(),
      ...topics,
      parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
      strictCommands: false,
      clock: () => new Date(),
      metrics,
    };
    const log = pino({ level: 'silent' });
    consumer = new CommandConsumer(commandsTopic, {
      ...parts,
      group: 'group',
      recoveryAdvice: async () => '',
      log,
      answering,
    });
    await consumer.start();
  }

  /** Finds a key for each of the two partitions. */
  async function keysOf(topic: string): Promise<readonly [string, string]> {
    await broker.ensureTopics(
      [{ name: `${topic}-keys`, partitions: 2, maxMessageBytes: 1_000_000 }],
      true,
    );
    const candidates = Array.from({ length: 20 }, (_, index) => `key-${index}`);
    const places = await broker.publish(
      `${topic}-keys`,
      candidates.map((key) => ({ key, value: '', headers: {} })),
    );
    const keyOf = (partition: number) =>
      candidates[places.findIndex((place) => place.partition === partition)] ?? '';
    return [keyOf(0), keyOf(1)];
  }

  /** Opens producers. The first one publishes answers only once `until` has settled. */
  function holdFirstProducer(until: Promise<void>) {
    const producers = {
      count: 0,
      open: async (id: string) => {
        producers.count += 1;
        const isFirst = producers.count === 1;
        const producer = await broker.openProducer(id);
        return over(producer, {
          publish: async (records, position) => {
            if (isFirst && records.length > 0) await until;
            await producer.publish(records, position);
          },
        });
      },
    };
    return producers;
  }

  /** Begins transactions. The second one begins only once `until` has settled. */
  function holdSecondTransaction(until: Promise<void>) {
    const transactions = {
      count: 0,
      begin: async (...transaction: Parameters<LaneStore['transaction']>) => {
        transactions.count += 1;
        if (transactions.count === 2) await until;
        return store.transaction(...transaction);
      },
    };
    return transactions;
  }

  const sendAll = (references: readonly string[]) => {
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
    return broker.publish(
      'commands',
      values.map((value) => ({ key: 'LAMP', value, headers: {} })),
    );
  };
  const send = (reference: string) => sendAll([reference]);
  /** Lists the batches that the published events name, in order. */
  const references = () => events.map(({ value }) => JSON.parse(String(value)).reference);

  it('publishes an answer whose transaction commits after the lane has opened anew', async () => {
    const brokerFailure = Promise.withResolvers<void>();
    const arrival = Promise.withResolvers<void>();
    const producers = holdFirstProducer(brokerFailure.promise);
    const transactions = holdSecondTransaction(arrival.promise);
    await start({
      broker: over(broker, { openProducer: producers.open }),
      store: over(store, { transaction: transactions.begin }),
    });
    await send('first');
    await eventually(() => expect(transactions.count).toBe(1));
    await send('second');
    await eventually(() => expect(transactions.count).toBe(2));
    brokerFailure.reject(new TroubleError('the connection to the broker broke'));
    await eventually(() => expect([producers.count, consumer.problems()]).toEqual([2, []]));
    arrival.resolve();
    await send('third');
    await eventually(() => expect(references()).toEqual(['first', 'second', 'third']), {
      withinMs: 10_000,
    });
  });

  it('drops a delivery that waited behind a failed one while the lane opened anew', async () => {
    const brokerFailure = Promise.withResolvers<void>();
    const databaseFailure = Promise.withResolvers<void>();
    const deliverySizes: number[] = [];
    const producers = holdFirstProducer(brokerFailure.promise);
    const transactions = holdSecondTransaction(databaseFailure.promise);
    await start({
      broker: over(broker, {
        consume: (options) =>
          broker.consume({
            ...options,
            openOwner: (partition) => {
              const lane = options.openOwner(partition);
              return over(lane, {
                handle: (records) => {
                  deliverySizes.push(records.length);
                  return lane.handle(records);
                },
              });
            },
          }),
        openProducer: producers.open,
      }),
      store: over(store, { transaction: transactions.begin }),
    });
    await send('first');
    await eventually(() => expect(transactions.count).toBe(1));
    const large = Array.from({ length: 1_000 }, (_, index) => `large-${index}`);
    await sendAll(large);
    await eventually(() => expect(deliverySizes).toEqual([1, 1_000]));
    await send('last');
    await eventually(() => expect(deliverySizes).toEqual([1, 1_000, 1]));
    brokerFailure.reject(new TroubleError('the connection to the broker broke'));
    await eventually(() => expect([producers.count, consumer.problems()]).toEqual([2, []]));
    databaseFailure.reject(new TroubleError('the connection to the database broke'));
    await eventually(() => expect(references().at(-1)).toBe('last'), { withinMs: 20_000 });
    expect(references()).toEqual(['first', ...large, 'last']);
  }, 60_000);

  it('leaves no row in the outbox when it closes in order', async () => {
    await start({ broker, store });
    await send('first');
    await eventually(() => expect(events).toHaveLength(1));
    await consumer.close();
    expect(await database.query('select * from outbox')).toEqual([]);
  });

  it('settles the transaction that a failed publication left open when it closes', async () => {
    const failure = Promise.withResolvers<void>();
    const settled: number[] = [];
    let opened = 0;
    const failing = over(broker, {
      openProducer: async (id, signal) => {
        const producer = await broker.openProducer(id, signal);
        opened += 1;
        const nth = opened;
        return over(producer, {
          publish: async () => {
            failure.resolve();
            throw new TroubleError('Kafka does not answer');
          },
          settle: async () => void settled.push(nth),
        });
      },
    });
    await start({ broker: failing, store });
    await send('a');
    await failure.promise;
    await consumer.close();
    expect(settled).toContain(opened);
  });

  it('closes while its producer opens', async () => {
    const opening = Promise.withResolvers<void>();
    const openProducer: Broker['openProducer'] = (_, signal) => {
      opening.resolve();
      return new Promise((_resolve, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason)),
      );
    };
    await start({ broker: over(broker, { openProducer }), store });
    await opening.promise;
    await consumer.close();
  });

  it('closes while its full queue waits for another lane that does not publish', async () => {
    await broker.ensureTopics([{ name: 'pairs', partitions: 2, maxMessageBytes: 1_000_000 }], true);
    const brokerFailure = Promise.withResolvers<void>();
    const stuckBroker = over(broker, {
      openProducer: async (id) => {
        const producer = await broker.openProducer(id);
        if (!id.endsWith('-0')) return producer;
        return over(producer, {
          publish: (records, position) =>
            records.length > 0 ? brokerFailure.promise : producer.publish(records, position),
        });
      },
    });
    await start({ broker: stuckBroker, store }, 'pairs');
    const keys = await keysOf('pairs');
    const batch = {
      id: 'first',
      type: 'CreateBatch',
      reference: 'batch',
      sku: 'LAMP',
      quantity: 1,
      eta: null,
    };
    await broker.publish('pairs', [{ key: keys[0], value: JSON.stringify(batch), headers: {} }]);
    await eventually(async () => expect((await store.readPositions('pairs')).get(0)).toBe(1));
    for (let start = 0; start < 12_000; start += 2_000) {
      const orders = Array.from({ length: 2_000 }, (_, index) => ({
        type: 'AllocateOrder',
        orderid: `${start + index}`,
        sku: 'LAMP',
        qty: 2,
      }));
      await broker.publish(
        'pairs',
        orders.map((order) => ({ key: keys[1], value: JSON.stringify(order), headers: {} })),
      );
    }
    await eventually(
      async () => expect((await store.readPositions('pairs')).get(1)).toBeGreaterThan(4_000),
      { withinMs: 30_000 },
    );
    const closing = consumer.close();
    brokerFailure.reject(new TroubleError('the connection to the broker broke'));
    await closing;
    expect(events).toEqual([]);
  }, 60_000);

  it('makes the other lanes check the database when it refuses the database', async () => {
    await broker.ensureTopics([{ name: 'pairs', partitions: 2, maxMessageBytes: 1_000_000 }], true);
    await start({ broker, store }, 'pairs');
    const keys = await keysOf('pairs');
    const sendBatch = (key: string, reference: string) => {
      const batch = {
        id: reference,
        type: 'CreateBatch',
        reference,
        sku: reference,
        quantity: 1,
        eta: null,
      };
      return broker.publish('pairs', [{ key, value: JSON.stringify(batch), headers: {} }]);
    };
    await sendBatch(keys[0], 'first');
    await sendBatch(keys[1], 'second');
    await eventually(() => expect(events).toHaveLength(2));
    await eventually(async () =>
      expect(await broker.committedOffsets('group', 'pairs')).toEqual([1, 1]),
    );
    // A failover to a standby that lacks the last commit leaves this state.
    await database.query(
      'update source_positions set next_offset = 0, next_sequence = 1 where partition = 0',
    );
    await sendBatch(keys[0], 'third');
    const refusals = () =>
      consumer
        .problems()
        .filter((problem) => problem.includes('the database is older than the topics'));
    await eventually(() => expect(refusals()).toHaveLength(2), { withinMs: 20_000 });
    await sendBatch(keys[1], 'fourth');
    expect(references()).toEqual(['first', 'second']);
  });

  describe('that would reject a command as unknown', () => {
    const topic = 'pairs';
    let release: PromiseWithResolvers<void>;
    let transactions: number[];
    /** Returns the promise that each transaction of a lane waits for first. */
    let gate: (partition: number) => Promise<void>;

    /** Sends commands in this order, each to its partition. */
    const sendTo = (...commands: (readonly [partition: number, command: object])[]) =>
      broker.publish(
        topic,
        commands.map(([partition, command]) => ({
          partition,
          key: null,
          value: JSON.stringify(command),
          headers: {},
        })),
      );
    const batch = (reference: string) => ({
      id: reference,
      type: 'CreateBatch',
      reference,
      sku: reference,
      quantity: 5,
    });
    const change = (reference: string) => ({
      id: `change-${reference}`,
      type: 'ChangeBatchQuantity',
      reference,
      quantity: 7,
    });
    const types = () => events.map(({ headers }) => String(headers.ce_type));

    /** Makes the lane of partition 1 decide nothing until `release` resolves. */
    beforeEach(async () => {
      await broker.ensureTopics([{ name: topic, partitions: 2, maxMessageBytes: 1_000_000 }], true);
      transactions = [];
      release = Promise.withResolvers();
      const slowStore = over(store, {
        transaction: async (lane, ...rest) => {
          transactions.push(lane.partition);
          await gate(lane.partition);
          return store.transaction(lane, ...rest);
        },
      });
      gate = async (partition) => {
        if (partition === 1) await release.promise;
      };
      await start({ broker, store: slowStore }, topic);
    });

    it('answers the commands before it, then waits for earlier ones of another lane', async () => {
      await sendTo([1, batch('other')]);
      await sendTo([0, batch('own')], [0, change('other')], [0, batch('later')]);
      await eventually(async () => expect((await store.readPositions(topic)).get(0)).toBe(1));
      await eventually(async () => {
        const waiting = (await store.readStandings(topic)).find(({ partition }) => partition === 0);
        expect(waiting).toMatchObject({ nextOffset: 1, nextTimestampMs: expect.any(Number) });
      });
      await eventually(() => expect(types()).toEqual(['BatchCreated']));
      release.resolve();
      await eventually(() =>
        expect(types().sort()).toEqual([
          'BatchCreated',
          'BatchCreated',
          'BatchCreated',
          'BatchQuantityChanged',
        ]),
      );
    });

    it('rejects it in one more transaction once the other lanes have decided', async () => {
      await sendTo([0, batch('own')]);
      await eventually(() => expect(types()).toEqual(['BatchCreated']));
      expect(transactions).toEqual([0]);
      await sendTo([0, change('nothing')]);
      await eventually(() => expect(types()).toEqual(['BatchCreated', 'CommandRejected']));
      expect(transactions).toEqual([0, 0, 0]);
    });

    it('waits anew for a later command when the delivery is cut up', async () => {
      gate = async (partition) => {
        await release.promise;
        // The batch keeps the lane busy until all commands are sent. The other two come together.
        if (partition === 0 && transactions.filter((each) => each === 0).length === 2)
          throw new Error('A handler has a bug');
      };
      const late = { orderid: 'late', sku: 'own' };
      for (const command of [
        [0, batch('own')],
        [0, change('first')],
        [1, change('second')],
        [1, { id: 'allocate', type: 'AllocateOrder', qty: 1, ...late }],
        [0, { id: 'let-go', type: 'DeallocateOrder', ...late }],
      ] as const) {
        const beganMs = Date.now();
        await expect.poll(() => Date.now()).toBeGreaterThan(beganMs);
        await sendTo(command);
      }
      await eventually(() => expect(transactions).toContain(0));
      release.resolve();
      await eventually(() => expect(events).toHaveLength(5), { withinMs: 10_000 });
      expect(types()).toContain('Deallocated');
    });

    it('closes while it waits for another lane', async () => {
      await sendTo([1, batch('other')]);
      await sendTo([0, change('other')]);
      await eventually(() => expect(transactions).toContain(0));
      release.resolve();
      await consumer.close();
      expect(types()).not.toContain('CommandRejected');
    });
  });
});
