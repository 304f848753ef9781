// @module-tag db
// @module-tag slow

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type VerifyReport, verify } from '../../../src/replay/verify.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import { batch, order } from '../../support/plain-commands.ts';
import { RunningService } from '../../support/running-service.ts';

const LANES = 2;
const watch = { advance: async () => {}, signal: new AbortController().signal };

describe('Verifying a database against the topics', () => {
  let running: RunningService;

  beforeAll(async () => {
    running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: String(LANES) });
    const commands = [
      ...[
        batch('lamp-1', 'LAMP'),
        batch('lamp-2', 'LAMP', { eta: '2027-01-01' }),
        batch('sofa-1', 'SOFA'),
      ],
      ...[order('o1', 'LAMP'), order('o2', 'LAMP'), order('o3', 'SOFA')],
      {
        type: 'AllocateOrder',
        id: 'o4',
        orderid: 'o4',
        lines: ['LAMP', 'SOFA'].map((sku) => ({ sku, qty: 1 })),
      },
      { type: 'ChangeBatchQuantity', id: 'shrunk', reference: 'lamp-1', quantity: 4 },
      { type: 'DeallocateOrder', id: 'gone', orderid: 'o3' },
    ];
    // Send the commands one by one, because they go through two lanes.
    for (const command of commands) {
      await running.send(command);
      await running.idle();
    }
  }, 60_000);

  afterAll(() => running[Symbol.asyncDispose]());

  const { query } = {
    query: (statement: string, parameters: (string | number | null)[] = []) =>
      running.service.database.query<Record<string, unknown>>(statement, parameters),
  };
  const check = (eventsTopic = running.config.eventsTopic): Promise<VerifyReport> => {
    const { commandsTopic, groupId: group } = running.config;
    return verify(
      running.service.database,
      running.service.broker,
      { eventsTopic, commandsTopic, group },
      watch,
    );
  };

  it('finds no difference in an untouched database while the service runs', async () => {
    expect(await check()).toEqual({
      read: expect.any(Number),
      lost: [],
      incomplete: 0,
      counts: {},
      differences: [],
      foreign: { count: 0, first: [] },
    });
  });

  it('finds no difference when lanes go on before the group is asked', async () => {
    const { broker, database } = running.service;
    const { commandsTopic, eventsTopic, groupId: group } = running.config;
    let count = 0;
    const moving: Pick<Broker, 'committedOffsets' | 'offsetRanges' | 'read'> = {
      committedOffsets: async (...question) => {
        count += 1;
        await running.send(order(`late-${count}`, 'LAMP'));
        await running.idle();
        return broker.committedOffsets(...question);
      },
      offsetRanges: broker.offsetRanges.bind(broker),
      read: broker.read.bind(broker),
    };
    const plan = { eventsTopic, commandsTopic, group };
    const report = await verify(database, moving as Broker, plan, watch);
    expect([count, report.differences]).toEqual([1, []]);
  });

  describe('after damage to the database', () => {
    let undo: [string, (string | number | null)[]][] = [];

    afterEach(async () => {
      for (const [statement, parameters] of undo) await query(statement, parameters);
      undo = [];
      expect((await check()).counts).toEqual({});
    });

    const damages: Record<
      string,
      { readonly by: string; readonly undoneBy: string; readonly words: object }
    > = {
      'product-version': {
        by: `update products set version = version + 1 where sku = 'LAMP'`,
        undoneBy: `update products set version = version - 1 where sku = 'LAMP'`,
        words: {
          subject: 'product LAMP',
          expected: expect.stringMatching(/^version \d+$/),
          event: expect.stringMatching(/^commands-.* at \d\/\d+$/),
        },
      },
      'product-unexpected': {
        by: `insert into products (sku, version) values ('DESK', 1)`,
        undoneBy: `delete from products where sku = 'DESK'`,
        words: { subject: 'product DESK', expected: 'nothing', found: 'version 1', event: null },
      },
      'product-missing': {
        by: `update products set sku = 'SOFA?' where sku = 'SOFA'`,
        undoneBy: `update products set sku = 'SOFA' where sku = 'SOFA?'`,
        words: { subject: 'product SOFA', found: 'nothing' },
      },
      'batch-quantity': {
        by: `update batches set quantity = 9 where reference = 'lamp-2'`,
        undoneBy: `update batches set quantity = 10 where reference = 'lamp-2'`,
        words: { subject: 'batch lamp-2', expected: 'quantity 10', found: 'quantity 9' },
      },
      'batch-eta': {
        by: `update batches set eta = null where reference = 'lamp-2'`,
        undoneBy: `update batches set eta = '2027-01-01' where reference = 'lamp-2'`,
        words: { subject: 'batch lamp-2', expected: 'eta 2027-01-01', found: 'eta none' },
      },
      'batch-sku': {
        by: `update batches set sku = 'SOFA' where reference = 'lamp-2'`,
        undoneBy: `update batches set sku = 'LAMP' where reference = 'lamp-2'`,
        words: { subject: 'batch lamp-2', expected: 'sku LAMP', found: 'sku SOFA' },
      },
      'batch-allocated-quantity': {
        by:
          'update batches set allocated_quantity = allocated_quantity + 1 ' +
          `where reference = 'sofa-1'`,
        undoneBy:
          'update batches set allocated_quantity = allocated_quantity - 1 ' +
          `where reference = 'sofa-1'`,
        words: { subject: 'batch sofa-1' },
      },
      'batch-unexpected': {
        by:
          'insert into batches (reference, sku, quantity, allocated_quantity) ' +
          `values ('ghost', 'LAMP', 1, 0)`,
        undoneBy: `delete from batches where reference = 'ghost'`,
        words: { subject: 'batch ghost', expected: 'nothing', found: '1 of LAMP' },
      },
      'batch-missing': {
        by: `update batches set reference = 'lamp-2?' where reference = 'lamp-2'`,
        undoneBy: `update batches set reference = 'lamp-2' where reference = 'lamp-2?'`,
        words: { subject: 'batch lamp-2', expected: '10 of LAMP', found: 'nothing' },
      },
      'allocation-missing': {
        by: `update order_lines set orderid = 'o1?' where orderid = 'o1'`,
        undoneBy: `update order_lines set orderid = 'o1' where orderid = 'o1?'`,
        words: { subject: 'order o1 of LAMP', expected: '2 from lamp-1', found: 'nothing' },
      },
      'allocation-unexpected': {
        by: `insert into order_lines (orderid, sku, qty) values ('ghost', 'LAMP', 1)`,
        undoneBy: `delete from order_lines where orderid = 'ghost'`,
        words: { subject: 'order ghost of LAMP', expected: 'nothing', found: '1 from no batch' },
      },
      'allocation-differs': {
        by: `update order_lines set qty = qty + 1 where orderid = 'o1'`,
        undoneBy: `update order_lines set qty = qty - 1 where orderid = 'o1'`,
        words: { subject: 'order o1 of LAMP', expected: '2 from lamp-1', found: '3 from lamp-1' },
      },
      'allocation-order': {
        by:
          'update allocations set id = -id where batch_id = (select id from batches ' +
          `where reference = 'lamp-1')`,
        undoneBy: `update allocations set id = -id where id < 0`,
        words: { expected: 'number 1 in lamp-1', found: 'number 2' },
      },
      'answered-command-missing': {
        by: `delete from processed_commands where id = 'o1'`,
        undoneBy: `insert into processed_commands (id) values ('o1')`,
        words: { subject: 'command o1' },
      },
    };

    it.each(Object.entries(damages))('reports %s', async (kind, { by, undoneBy, words }) => {
      undo.push([undoneBy, []]);
      await query(by);
      const { counts, differences } = await check();
      expect(counts).toMatchObject({ [kind]: expect.any(Number) });
      expect(differences).toContainEqual(expect.objectContaining({ kind, ...words }));
    });

    it('reports a position behind the group', async () => {
      const [lane] = await query(
        'select partition, next_offset from source_positions where next_offset > 0 ' +
          'order by partition limit 1',
      );
      const { partition, next_offset: nextOffset } = lane as {
        partition: number;
        next_offset: number;
      };
      undo.push([
        'update source_positions set next_offset = ? where partition = ?',
        [nextOffset, partition],
      ]);
      await query('update source_positions set next_offset = 0 where partition = ?', [partition]);
      const subject = `lane ${running.config.commandsTopic}/${partition}`;
      expect((await check()).differences).toContainEqual({
        kind: 'position',
        subject,
        expected: `at ${nextOffset} or beyond`,
        found: 'at 0',
        event: null,
      });
    });
  });

  describe('after a change of the events topic', () => {
    /** Publishes the events to another topic, after `change`, and verifies against that topic. */
    async function checkOn(change: (events: LogRecord[]) => LogRecord[]): Promise<VerifyReport> {
      const { broker } = running.service;
      const name = `events-${crypto.randomUUID().slice(0, 8)}`;
      await broker.ensureTopics([{ name, partitions: 1, maxMessageBytes: 1_000_000 }], true);
      const events = running.events.map(({ key, value, headers }) => ({ key, value, headers }));
      await broker.publish(name, change(events));
      return check(name);
    }
    const isOf = (type: string) => (record: LogRecord) => String(record.headers.ce_type) === type;

    it('reports nothing when the same events lie in another topic', async () => {
      expect(await checkOn((events) => events)).toMatchObject({ counts: {} });
    });

    it('reports a missing event', async () => {
      const { counts, differences } = await checkOn((events) =>
        events.filter((event) => event !== events.find(isOf('Allocated'))),
      );
      expect(counts).toMatchObject({ 'event-missing': 1 });
      expect(differences[0]).toMatchObject({
        kind: 'event-missing',
        expected: expect.stringMatching(/^ce_sequence \d/),
      });
    });

    it('reports a repeated event', async () => {
      const { counts, differences } = await checkOn((events) => [...events, ...events.slice(0, 1)]);
      expect(counts).toMatchObject({ 'event-repeated': 1 });
      expect(differences[0]).toMatchObject({
        kind: 'event-repeated',
        expected: 'one event of ce_sequence 1',
      });
    });

    it('reports events in the wrong order', async () => {
      const { counts, differences } = await checkOn((events) => events.toReversed());
      expect(Object.keys(counts)).toEqual(['event-out-of-order']);
      expect(differences[0]).toMatchObject({ found: expect.stringMatching(/^\d+ behind \d+$/) });
    });

    it('reports a foreign record', async () => {
      const { differences } = await checkOn((events) => [
        ...events,
        { key: null, value: 'hello', headers: {} },
      ]);
      expect(differences).toEqual([
        expect.objectContaining({ kind: 'foreign-record', expected: 'an event of this service' }),
      ]);
    });
  });
});
