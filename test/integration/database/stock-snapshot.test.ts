// @module-tag db

import { expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import { Batch, OrderLine } from '../../../src/domain/model.ts';
import { allocateOrder, createBatch, handleIn } from '../../support/commands.ts';
import { describeOnEachDatabase, type TestDatabase } from '../../support/databases.ts';
import { lockFromAnotherProcess } from '../../support/lock.ts';

const ORDERS = ['third', 'first', 'second'] as const;

/** Runs the work while another one has everything locked that a lane locks. */
async function whileLocked<T>(
  { dialect, url }: TestDatabase,
  database: Database,
  work: () => Promise<T>,
): Promise<T> {
  if (dialect === 'postgresql') {
    return database.transaction(async (sql) => {
      await sql('select sku from products for update');
      return work();
    });
  }
  const unlock = await lockFromAnotherProcess(url.replace('sqlite:///', ''));
  try {
    return await work();
  } finally {
    await unlock();
  }
}

describeOnEachDatabase('A snapshot of the stock', (current) => {
  async function withStock(): Promise<Database> {
    const database = await current.database();
    await handleIn(database, createBatch('b', 'CHAIR', 10), createBatch('l', 'LAMP', 10));
    for (const orderid of ORDERS) await handleIn(database, allocateOrder(orderid, 'CHAIR', 2));
    await handleIn(database, allocateOrder('first', 'LAMP', 1));
    return database;
  }

  test('has a batch with its oldest lines, as many as it may load', async () => {
    const database = await withStock();
    await database.readStock(2, async ({ batches }) => {
      const batch = await batches.get('b');
      expect(batch).toBeInstanceOf(Batch);
      expect([...(batch?.lines ?? [])].map(({ orderid }) => orderid)).toEqual(['third', 'first']);
      expect(batch?.availableQuantity).toBe(4);
      expect(await batches.get('b')).toBe(batch);
      expect(await batches.get('nothing')).toBeNull();
    });
  });

  test('has the lines of an order by sku, as many as it is asked for', async () => {
    const database = await withStock();
    await database.readStock(2, async ({ orderLines }) => {
      const lines = await orderLines.getByOrder('first', 2);
      expect(lines).toEqual([
        new OrderLine('first', 'CHAIR', 2),
        new OrderLine('first', 'LAMP', 1),
      ]);
      expect(await orderLines.getByOrder('first', 1)).toEqual(lines.slice(0, 1));
      expect(await orderLines.get({ orderid: 'first', sku: 'LAMP' })).toBe(lines[1]);
      expect(await orderLines.getByOrder('nobody', 2)).toEqual([]);
    });
  });

  test('can be read while everything is locked for writing', async () => {
    const database = await withStock();
    const batch = await whileLocked(current, database, () =>
      database.readStock(2, ({ batches }) => batches.get('b')),
    );
    expect(batch?.reference).toBe('b');
  });
});
