// @module-tag db

import { expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import type { Command } from '../../../src/domain/commands.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
  handleIn,
} from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

/**
 * Creates five batches. One order line takes all of `used-1`, `used-2` and `used-3` each, `empty`
 * never has stock, and `open` has stock left.
 */
async function withHistory(database: Database): Promise<void> {
  const used = ['1', '2', '3'].map((n) => createBatch(`used-${n}`, 'CHAIR', 2));
  await handleIn(
    database,
    ...used,
    createBatch('empty', 'CHAIR', 0),
    createBatch('open', 'CHAIR', 10, '2027-01-01'),
  );
  await handleIn(database, ...['1', '2', '3'].map((n) => allocateOrder(`order-${n}`, 'CHAIR', 2)));
}

const typesOf = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type);

describeOnEachDatabase('A batch with nothing available', (current) => {
  const loadedFor = async (...commands: readonly Command[]) => {
    const database = await current.database();
    return database.getSession(async (session) => {
      await session.prepare(commands);
      return (await session.products.get('CHAIR'))?.batches.map(({ reference }) => reference);
    });
  };

  test('is loaded only for a command that names the batch or one of its lines', async () => {
    await withHistory(await current.database());
    expect(await loadedFor(allocateOrder('another', 'CHAIR'))).toEqual(['open']);
    expect(await loadedFor(allocateOrder('order-2', 'CHAIR', 2))).toEqual(['used-2', 'open']);
    expect(
      await loadedFor(deallocateOrder('order-3'), deallocateOrder('order-1', 'CHAIR')),
    ).toEqual(['used-1', 'used-3', 'open']);
    expect(
      await loadedFor(changeBatchQuantity('used-3', 5), createBatch('empty', 'CHAIR', 0)),
    ).toEqual(['used-3', 'empty', 'open']);
  });

  test('is left out like a batch with less left than any order line wants', async () => {
    const database = await current.database();
    await withHistory(database);
    await handleIn(database, createBatch('rest-2', 'CHAIR', 2), createBatch('rest-3', 'CHAIR', 3));
    expect(await loadedFor(allocateOrder('another', 'CHAIR', 3))).toEqual(['open', 'rest-3']);
    expect(
      await loadedFor(allocateOrder('one', 'CHAIR', 3), allocateOrder('two', 'CHAIR', 2)),
    ).toEqual(['open', 'rest-2', 'rest-3']);
    const named = [allocateOrder('another', 'CHAIR', 3), createBatch('rest-2', 'CHAIR', 2)];
    expect(await loadedFor(...named)).toEqual(['open', 'rest-2', 'rest-3']);
    const shrinking = [allocateOrder('another', 'CHAIR', 3), changeBatchQuantity('used-1', 0)];
    expect(await loadedFor(...shrinking)).toEqual(['used-1', 'open', 'rest-2', 'rest-3']);
  });

  test('keeps its order lines from being allocated twice', async () => {
    const database = await current.database();
    await withHistory(database);
    const [event] = await handleIn(database, allocateOrder('order-1', 'CHAIR', 2));
    expect(event).toMatchObject({ type: 'AlreadyAllocated', batchref: 'used-1' });
    const [other] = await handleIn(database, allocateOrder('order-1', 'CHAIR', 3));
    expect(other).toMatchObject({ type: 'CommandRejected', reason: 'line-differs' });
  });

  test('keeps its reference from being used again for any product', async () => {
    const database = await current.database();
    await withHistory(database);
    expect(await handleIn(database, createBatch('empty', 'CHAIR', 0))).toEqual([]);
    for (const sku of ['CHAIR', 'TABLE']) {
      const [event] = await handleIn(database, createBatch('used-1', sku, 7));
      expect(event).toMatchObject({ type: 'CommandRejected', reason: 'batch-differs' });
    }
  });

  test('takes order lines again, in its turn, once stock is free', async () => {
    const database = await current.database();
    await withHistory(database);
    const freed = await handleIn(
      database,
      deallocateOrder('order-2'),
      allocateOrder('new', 'CHAIR', 2),
    );
    expect(freed.at(-1)).toMatchObject({ type: 'Allocated', batchref: 'used-2' });
    const raised = await handleIn(
      database,
      changeBatchQuantity('empty', 1),
      allocateOrder('newer', 'CHAIR'),
    );
    expect(raised.at(-1)).toMatchObject({ type: 'Allocated', batchref: 'empty' });
    const shrunk = await handleIn(database, changeBatchQuantity('used-1', 0));
    expect(shrunk.at(-1)).toMatchObject({ type: 'Allocated', batchref: 'open' });
  });

  test('keeps its product known and counting events when no batch has stock left', async () => {
    const database = await current.database();
    await handleIn(database, createBatch('only', 'CHAIR', 1), allocateOrder('first', 'CHAIR'));
    const events = await handleIn(
      database,
      allocateOrder('second', 'CHAIR'),
      createBatch('next', 'CHAIR', 1),
    );
    expect(typesOf(events)).toEqual(['OutOfStock', 'BatchCreated']);
    expect(events).toMatchObject([{ version: 3 }, { version: 4 }]);
  });
});
