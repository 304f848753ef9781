// @module-tag db

import { expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import { Batch } from '../../../src/domain/batch.ts';
import { OrderLine } from '../../../src/domain/order-line.ts';
import { Product } from '../../../src/domain/product.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
  handleIn,
  quietBus,
} from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

const MANY_LINES = 5_000;
const WORKERS = 20;

async function withManyLines(database: Database): Promise<void> {
  await handleIn(
    database,
    createBatch('old', 'CHAIR', MANY_LINES),
    createBatch('new', 'CHAIR', 100, '2027-01-01'),
  );
  await handleIn(
    database,
    ...Array.from({ length: MANY_LINES }, (_, n) => allocateOrder(`order-${n}`, 'CHAIR')),
  );
}

const orderids = (batch: Batch | undefined) =>
  [...(batch?.lines ?? [])].map(({ orderid }) => orderid);

describeOnEachDatabase('Repositories', (current) => {
  test('return a product as it was added, with its batches in order of creation', async () => {
    const database = await current.database();
    await database.getSession(async ({ products }) => {
      const product = new Product('CHAIR');
      for (const [reference, eta] of [
        ['z', '2027-01-01'],
        ['a', null],
        ['m', '2026-12-31'],
      ] as const) {
        product.addBatch(new Batch(reference, 'CHAIR', 10, eta));
      }
      product.allocate(new OrderLine('order', 'CHAIR', 3));
      products.add(product);
    });
    await database.getSession(async ({ products }) => {
      const product = await products.get('CHAIR');
      expect(product).toBeInstanceOf(Product);
      expect(product?.version).toBe(4);
      expect(
        product?.batches.map(({ reference, eta, quantity, availableQuantity }) => [
          reference,
          eta,
          quantity,
          availableQuantity,
        ]),
      ).toEqual([
        ['z', '2027-01-01', 10, 10],
        ['a', null, 10, 7],
        ['m', '2026-12-31', 10, 10],
      ]);
      expect(product?.batch('a')).toBeInstanceOf(Batch);
      expect(product?.batch('a')?.lineOf('order')).toEqual(new OrderLine('order', 'CHAIR', 3));
      expect(await products.getByBatchReference('m')).toBe(product);
      expect(await products.getByOrder('order')).toEqual([product]);
      expect(await products.get('CHAIR')).toBe(product);
    });
  });

  test('return null or an empty list for an unknown name', async () => {
    const database = await current.database();
    await database.getSession(async ({ products, batches, orderLines }) => {
      expect(await products.get('x')).toBeNull();
      expect(await products.getByBatchReference('x')).toBeNull();
      expect(await products.getByOrder('x')).toEqual([]);
      expect(await batches.get('x')).toBeNull();
      expect(await orderLines.get({ orderid: 'x', sku: 'x' })).toBeNull();
    });
  });

  test('return a batch with all its lines, oldest first, and save its changes', async () => {
    const database = await current.database();
    await database.getSession(async ({ batches }) => {
      const batch = new Batch('b', 'CHAIR', 10, '2027-01-01');
      for (const orderid of ['one', 'two', 'three'])
        batch.allocate(new OrderLine(orderid, 'CHAIR', 2));
      batches.add(batch);
    });
    await database.getSession(async ({ batches }) => {
      const batch = await batches.get('b');
      expect(batch).toBeInstanceOf(Batch);
      expect(orderids(batch ?? undefined)).toEqual(['one', 'two', 'three']);
      expect(await batches.get('b')).toBe(batch);
      batch?.deallocate(new OrderLine('one', 'CHAIR', 2));
      batch?.allocate(new OrderLine('one', 'CHAIR', 3));
    });
    await database.getSession(async ({ batches, orderLines }) => {
      const batch = await batches.get('b');
      expect(orderids(batch ?? undefined)).toEqual(['two', 'three', 'one']);
      expect(batch?.availableQuantity).toBe(3);
      expect(await orderLines.get({ orderid: 'one', sku: 'CHAIR' })).toEqual(
        new OrderLine('one', 'CHAIR', 3),
      );
    });
  });

  test('keep an order line that is not allocated yet', async () => {
    const database = await current.database();
    await database.getSession(async ({ orderLines }) =>
      orderLines.add(new OrderLine('o', 'CHAIR', 3)),
    );
    await database.getSession(async ({ orderLines }) => {
      expect(await orderLines.get({ orderid: 'o', sku: 'CHAIR' })).toEqual(
        new OrderLine('o', 'CHAIR', 3),
      );
    });
    await handleIn(database, createBatch('b', 'CHAIR', 10), allocateOrder('o', 'CHAIR', 3));
    expect(await database.query('select * from order_lines')).toHaveLength(1);
  });

  test('keep no row for a line that was let go, and one row for a line that moved', async () => {
    const database = await current.database();
    await handleIn(
      database,
      createBatch('b1', 'CHAIR', 10),
      createBatch('b2', 'CHAIR', 5),
      allocateOrder('o1', 'CHAIR', 4),
      allocateOrder('o2', 'CHAIR', 4),
    );
    await handleIn(database, deallocateOrder('o1'), changeBatchQuantity('b1', 0));
    const rows = await database.query(
      'select orderid, reference from order_lines ' +
        'join allocations on orderline_id = order_lines.id join batches on batches.id = batch_id',
    );
    expect(rows).toEqual([{ orderid: 'o2', reference: 'b2' }]);
    expect(await database.query('select * from order_lines')).toHaveLength(1);
  });

  test('load only the line that a command names, however many are allocated', async () => {
    const database = await current.database();
    await withManyLines(database);
    await database.getSession(async (session) => {
      await session.prepare([allocateOrder('order-7', 'CHAIR'), allocateOrder('another', 'CHAIR')]);
      const product = await session.products.get('CHAIR');
      expect(orderids(product?.batch('old'))).toEqual(['order-7']);
      expect(product?.batch('old')?.availableQuantity).toBe(0);
    });
  });

  test('load only the newest lines that no longer fit when a batch shrinks', async () => {
    const database = await current.database();
    await withManyLines(database);
    const shrink = changeBatchQuantity('old', MANY_LINES - 3);
    await database.getSession(async (session) => {
      await session.prepare([shrink]);
      const product = await session.products.getByBatchReference('old');
      expect(orderids(product?.batch('old'))).toEqual(['order-4997', 'order-4998', 'order-4999']);
      await quietBus().handle(shrink, session);
    });
    const moved = await database.query(
      'select orderid from order_lines join allocations on orderline_id = order_lines.id ' +
        'where batch_id = 2 order by allocations.id',
    );
    expect(moved).toEqual([
      { orderid: 'order-4999' },
      { orderid: 'order-4998' },
      { orderid: 'order-4997' },
    ]);
  });

  test('refuse to overwrite a product whose version has moved since it was loaded', async () => {
    const database = await current.database();
    await handleIn(database, createBatch('b', 'CHAIR', 10));
    const late = database.getSession(async ({ products, sql }) => {
      const product = await products.get('CHAIR');
      await sql('update products set version = version + 1');
      product?.allocate(new OrderLine('o', 'CHAIR', 1));
    });
    await expect(late).rejects.toThrow(TroubleError);
    expect(await database.query('select version from products')).toEqual([{ version: 1 }]);
  });

  test('let exactly one of many workers allocate the last piece of stock', async () => {
    const database = await current.database();
    await handleIn(database, createBatch('b', 'CHAIR', 1));
    const outcomes = await Promise.all(
      Array.from({ length: WORKERS }, (_, n) =>
        handleIn(database, allocateOrder(`order-${n}`, 'CHAIR')),
      ),
    );
    const types = outcomes.flat().map(({ type }) => type);
    expect(types.filter((type) => type === 'Allocated')).toHaveLength(1);
    expect(types.filter((type) => type === 'OutOfStock')).toHaveLength(WORKERS - 1);
    expect(await database.query('select version from products')).toEqual([
      { version: 1 + WORKERS },
    ]);
    expect(await database.query('select allocated_quantity from batches')).toEqual([
      { allocated_quantity: 1 },
    ]);
  });
});
