// @module-tag db

import { expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import { jsonRows } from '../../../src/adapters/database/json-rows.ts';
import { TooManyLinesError } from '../../../src/domain/batch.ts';
import { MAX_LINES_LET_GO } from '../../../src/domain/commands.ts';
import { TooMuchAtOnceError } from '../../../src/service-layer/errors.ts';
import {
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
  handleIn,
} from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

type Line = readonly [orderid: string, sku: string, reference: string];

/** Writes allocated lines of qty 1 into the tables, because commands would take too long. */
async function withLines(database: Database, lines: readonly Line[]): Promise<void> {
  const rows = jsonRows(database.dialect, { orderid: 'text', sku: 'text', reference: 'text' });
  const references = [...new Map(lines.map(([, sku, reference]) => [reference, sku]))];
  const per = Math.ceil(lines.length / references.length);
  for (let start = 0; start < references.length; start += 1_000) {
    await handleIn(
      database,
      ...references
        .slice(start, start + 1_000)
        .map(([reference, sku]) => createBatch(reference, sku, per)),
    );
  }
  await database.transaction(async (sql) => {
    const parameters = [JSON.stringify(lines)];
    await sql(
      `insert into order_lines (orderid, sku, qty) select orderid, sku, 1 from ${rows} as added`,
      parameters,
    );
    await sql(
      'insert into allocations (batch_id, orderline_id) select batches.id, order_lines.id ' +
        `from ${rows} as added
       join order_lines on order_lines.orderid = added.orderid and order_lines.sku = added.sku
       join batches on batches.reference = added.reference order by order_lines.id`,
      parameters,
    );
    await sql(
      'update batches set allocated_quantity = (select count(*) from allocations ' +
        'where batch_id = batches.id)',
    );
  });
}

const ofOneBatch = (count: number, reference = 'batch', sku = 'CHAIR') =>
  Array.from({ length: count }, (_, n): Line => [`${reference}-order-${n}`, sku, reference]);
const ofOneOrder = (count: number) =>
  Array.from({ length: count }, (_, n): Line => ['order', `SKU-${n}`, `batch-${n}`]);

const allocatedLines = async (database: Database) =>
  (await database.query<{ n: number }>('select count(*) as n from allocations'))[0]?.n;

describeOnEachDatabase('A command that lets order lines go', (current) => {
  test('may let as many lines of a batch go as the limit allows', async () => {
    const database = await current.database();
    await withLines(database, ofOneBatch(MAX_LINES_LET_GO));
    const events = await handleIn(database, changeBatchQuantity('batch', 0));
    expect(events.filter(({ type }) => type === 'Deallocated')).toHaveLength(MAX_LINES_LET_GO);
    expect(await allocatedLines(database)).toBe(0);
  }, 120_000);

  test('is refused above the limit, changes nothing, and names the first step', async () => {
    const database = await current.database();
    await withLines(database, ofOneBatch(MAX_LINES_LET_GO + 3));
    const refused = handleIn(database, changeBatchQuantity('batch', 2));
    await expect(refused).rejects.toThrow(TooManyLinesError);
    await expect(refused).rejects.toThrow('in steps: one command can set 3 or more now');
    expect(await allocatedLines(database)).toBe(MAX_LINES_LET_GO + 3);
    expect(await handleIn(database, changeBatchQuantity('batch', 3))).toHaveLength(
      2 * MAX_LINES_LET_GO + 1,
    );
    expect(await handleIn(database, changeBatchQuantity('batch', 2))).toHaveLength(3);
  }, 120_000);

  test('loads only the newest lines, at most one more than the limit', async () => {
    const database = await current.database();
    await withLines(database, ofOneBatch(MAX_LINES_LET_GO + 500));
    await database.getSession(async (session) => {
      await session.prepare([changeBatchQuantity('batch', 0)]);
      const loaded = [...((await session.products.get('CHAIR'))?.batch('batch')?.lines ?? [])];
      expect(loaded).toHaveLength(MAX_LINES_LET_GO + 1);
      expect(loaded.at(-1)?.orderid).toBe(`batch-order-${MAX_LINES_LET_GO + 499}`);
    });
  }, 120_000);

  test('may let an order go with as many lines as the limit, but not with one more', async () => {
    const database = await current.database();
    await withLines(database, ofOneOrder(MAX_LINES_LET_GO + 1));
    const refused = handleIn(database, deallocateOrder('order'));
    await expect(refused).rejects.toThrow(TooManyLinesError);
    await expect(refused).rejects.toThrow('DeallocateOrder with a sku');
    expect(await allocatedLines(database)).toBe(MAX_LINES_LET_GO + 1);
    await handleIn(database, deallocateOrder('order', 'SKU-7'));
    expect(await handleIn(database, deallocateOrder('order'))).toHaveLength(MAX_LINES_LET_GO);
  }, 240_000);

  test('shares no transaction with commands that exceed the limit together', async () => {
    const database = await current.database();
    const half = MAX_LINES_LET_GO / 2;
    await withLines(database, [
      ...ofOneBatch(half + 1, 'a', 'CHAIR'),
      ...ofOneBatch(half + 1, 'b', 'TABLE'),
    ]);
    const together = (quantity: number) =>
      handleIn(database, changeBatchQuantity('a', quantity), changeBatchQuantity('b', quantity));
    await expect(together(0)).rejects.toThrow(TooMuchAtOnceError);
    expect((await together(1)).filter(({ type }) => type === 'Deallocated')).toHaveLength(
      MAX_LINES_LET_GO,
    );
  }, 120_000);
});
