// @module-tag db

import { expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import { readBatch } from '../../../src/views/batch-view.ts';
import { readOrder } from '../../../src/views/order-view.ts';
import { MAX_PAGE_ITEMS } from '../../../src/views/page.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
  handleIn,
} from '../../support/commands.ts';
import { describeOnEachDatabase, type TestDatabase } from '../../support/databases.ts';
import { lockFromAnotherProcess } from '../../support/lock.ts';

const read = (database: Database) => database.read.bind(database);

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

describeOnEachDatabase('A view of the stock', (current) => {
  async function withStock(): Promise<Database> {
    const database = await current.database();
    await handleIn(database, createBatch('b', 'CHAIR', 10), createBatch('l', 'LAMP', 10));
    for (const orderid of ['third', 'first', 'second'])
      await handleIn(database, allocateOrder(orderid, 'CHAIR', 2));
    await handleIn(database, allocateOrder('first', 'LAMP', 1));
    return database;
  }

  test('has a batch with its oldest lines first', async () => {
    const database = await withStock();
    expect(await readBatch('b', read(database))).toEqual({
      reference: 'b',
      sku: 'CHAIR',
      quantity: 10,
      availableQuantity: 4,
      eta: null,
      lines: ['third', 'first', 'second'].map((orderid) => ({ orderid, qty: 2 })),
      hasMoreLines: false,
      next: null,
    });
    expect(await readBatch('nothing', read(database))).toBeNull();
  });

  test('has a batch without lines, and a page behind the last line', async () => {
    const database = await withStock();
    await handleIn(database, createBatch('empty', 'CHAIR', 1, '2027-01-01'));
    const empty = { lines: [], hasMoreLines: false, next: null };
    expect(await readBatch('empty', read(database))).toMatchObject({ eta: '2027-01-01', ...empty });
    expect(await readBatch('b', read(database), 1_000_000)).toMatchObject({
      quantity: 10,
      ...empty,
    });
  });

  test('has the lines of a batch in pages, also if the last line of a page goes', async () => {
    const database = await current.database();
    const orders = Array.from({ length: MAX_PAGE_ITEMS + 2 }, (_, n) => `order-${n}`);
    await handleIn(database, createBatch('b', 'CHAIR', orders.length));
    await handleIn(database, ...orders.map((orderid) => allocateOrder(orderid, 'CHAIR')));
    const first = await readBatch('b', read(database));
    expect(first?.lines.map(({ orderid }) => orderid)).toEqual(orders.slice(0, MAX_PAGE_ITEMS));
    expect(first?.hasMoreLines).toBe(true);

    await handleIn(database, deallocateOrder(orders[MAX_PAGE_ITEMS - 1] ?? '', 'CHAIR'));
    const second = await readBatch('b', read(database), Number(first?.next));
    expect(second).toMatchObject({
      availableQuantity: 1,
      lines: orders.slice(MAX_PAGE_ITEMS).map((orderid) => ({ orderid, qty: 1 })),
      hasMoreLines: false,
      next: null,
    });
  });

  test('has the lines of an order by sku, behind a sku', async () => {
    const database = await withStock();
    const order = await readOrder('first', read(database));
    const [chair, lamp] = [
      { sku: 'CHAIR', qty: 2 },
      { sku: 'LAMP', qty: 1 },
    ];
    expect(order.lines).toEqual([chair, lamp]);
    expect((await readOrder('first', read(database), 'CHAIR')).lines).toEqual([lamp]);
    expect((await readOrder('nobody', read(database))).lines).toEqual([]);
  });

  test('can be read while everything is locked for writing', async () => {
    const database = await withStock();
    await handleIn(database, changeBatchQuantity('b', 11));
    const batch = await whileLocked(current, database, () => readBatch('b', read(database)));
    expect(batch?.quantity).toBe(11);
  });
});
