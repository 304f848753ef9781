// @module-tag db

import { beforeEach, expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import type { ListingChoice } from '../../../src/views/listing-range.ts';
import {
  listBatches,
  listBatchesByAge,
  listOrders,
  listProducts,
} from '../../../src/views/listings.ts';
import type { Query } from '../../../src/views/query.ts';
import { allocateOrder, createBatch, handleIn } from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

/** Names in the order of their code points. Languages sort some of them in other orders. */
const NAMES = ['B-1', 'Z', '_', 'a', 'a-1', 'a-2', 'a_1', 'b', 'Ä', '\uffee', '😀', '😀😀'];

type List = (choice: ListingChoice, query: Query) => ReturnType<typeof listOrders>;

const nameOf = (item: object) => Object.values(item)[0] as string;
/** All listings by name, each as names. */
const LISTS = [
  ['products', listProducts],
  ['batches', listBatches],
  ['orders', listOrders],
] as unknown as readonly (readonly [string, List])[];

/** Reads a whole listing, page by page. */
async function namesIn(list: List, choice: ListingChoice, query: Query): Promise<string[]> {
  const names: string[] = [];
  for (let after = choice.after; ; ) {
    const page = await list({ ...choice, after }, query);
    expect(page.items.length).toBeLessThanOrEqual(choice.limit);
    names.push(...page.items.map(nameOf));
    if (page.next === null) return names;
    after = page.next;
  }
}

describeOnEachDatabase('A listing', (current) => {
  let database: Database;
  let query: Query;

  beforeEach(async () => {
    database = await current.database();
    query = database.read.bind(database);
    // Neither the order of creation nor its reverse is the order of the names.
    const created = [...NAMES.slice(7), ...NAMES.slice(0, 7).toReversed()];
    await handleIn(database, ...created.map((name) => createBatch(name, name, 10)));
    await handleIn(database, ...created.map((name) => allocateOrder(name, name)));
    await handleIn(database, ...created.slice(1).map((name) => allocateOrder('a', name)));
  });

  test.each(LISTS)('has all %s in the order of their code points, in pages', async (_, list) => {
    for (const limit of [1, 5, 1_000]) {
      expect(await namesIn(list, { limit, isDescending: false }, query)).toEqual(NAMES);
      const backwards = await namesIn(list, { limit, isDescending: true }, query);
      expect(backwards).toEqual(NAMES.toReversed());
    }
  });

  test.each(LISTS)('has the %s whose names begin as searched', async (_, list) => {
    for (const search of ['a', 'a-', '😀', '😀😀', 'A', 'a%', '_']) {
      const found = NAMES.filter((name) => name.startsWith(search));
      for (const limit of [1, 2, 1_000]) {
        expect(await namesIn(list, { search, limit, isDescending: false }, query)).toEqual(found);
        const backwards = await namesIn(list, { search, limit, isDescending: true }, query);
        expect(backwards).toEqual(found.toReversed());
      }
    }
  });

  test.each(LISTS)('of %s may begin behind a name that nobody has', async (_, list) => {
    const behind = { after: 'a-1x', limit: 2 };
    expect((await list({ ...behind, isDescending: false }, query)).items.map(nameOf)).toEqual([
      'a-2',
      'a_1',
    ]);
    expect((await list({ ...behind, isDescending: true }, query)).items.map(nameOf)).toEqual([
      'a-1',
      'a',
    ]);
  });

  test('of batches has their stock', async () => {
    const { items } = await listBatches({ search: 'Z', limit: 1, isDescending: false }, query);
    const stock = { quantity: 10, availableQuantity: 8, eta: null };
    expect(items).toEqual([{ reference: 'Z', sku: 'Z', ...stock }]);
  });

  test('of batches may have the newest or the oldest first, in pages', async () => {
    const newest = [...NAMES.slice(0, 7), ...NAMES.slice(7).toReversed()];
    for (const limit of [1, 4, 1_000]) {
      const list = listBatchesByAge as unknown as List;
      expect(await namesIn(list, { limit, isDescending: true }, query)).toEqual(newest);
      const oldest = await namesIn(list, { limit, isDescending: false }, query);
      expect(oldest).toEqual(newest.toReversed());
    }
  });

  /** Explains each search by name: the lines of the plans. */
  async function explainSearches(explain: Query): Promise<readonly string[]> {
    const lines: string[] = [];
    const note: Query = async <Row>(statement: string, parameters?: Parameters<Query>[1]) => {
      for (const row of await explain<object>(statement, parameters))
        lines.push(String(Object.values(row).at(-1)));
      return [] as Row[];
    };
    const choices = [{ search: 'a' }, { search: 'a', after: 'ab' }];
    for (const choice of choices)
      for (const isDescending of [true, false])
        for (const [, list] of LISTS) await list({ ...choice, limit: 3, isDescending }, note);
    return lines;
  }

  test.skipIf(current.dialect !== 'sqlite')('reads what an index gives it', async () => {
    const plans = await explainSearches((statement, parameters) =>
      query(`explain query plan ${statement}`, parameters),
    );
    const reads = plans.filter((line) => /(products|batches|order_lines)/.test(line));
    expect(reads.length).toBeGreaterThan(12);
    expect(reads.filter((line) => !/^SEARCH .* USING/.test(line))).toEqual([]);
  });

  test.skipIf(current.dialect !== 'postgresql')('can use the index of the names', async () => {
    const plans = await database.transaction(async (sql) => {
      // With so few rows, PostgreSQL would rather read the whole table.
      await sql('set local enable_seqscan = off');
      return explainSearches((statement, parameters) => sql(`explain ${statement}`, parameters));
    });
    expect(plans.filter((line) => line.includes('Seq Scan'))).toEqual([]);
    const conditions = plans.filter((line) => /Index Cond: .*(sku|reference|orderid)/.test(line));
    expect(conditions.length).toBeGreaterThanOrEqual(12);
  });
});
