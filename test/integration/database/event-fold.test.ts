// @module-tag db

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import {
  EventFold,
  type FoldedEvent,
  UnfoldableError,
} from '../../../src/adapters/database/replay/event-fold.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { meetingCommands } from '../../support/arbitrary-commands.ts';
import { allocateOrder, createBatch, handleIn } from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

/** PostgreSQL gets fewer runs, because each of its statements takes longer. */
const RUNS = { sqlite: 50, postgresql: 15 };
const nothing = async () => {};

/** Returns the events that have a sequence, as if each were one record of a topic. */
function asFolded(events: readonly Event[]): readonly FoldedEvent[] {
  return events.flatMap((event, offset) => {
    if (!('version' in event)) return [];
    const { type, sku, version: sequence } = event;
    const line =
      'orderid' in event
        ? { orderid: event.orderid, quantity: event.qty }
        : { orderid: null, quantity: event.quantity };
    const reference =
      'reference' in event ? event.reference : 'batchref' in event ? event.batchref : null;
    const eta = 'eta' in event ? event.eta : null;
    return [
      {
        sku,
        sequence,
        type,
        reference,
        eta,
        ...line,
        id: `commands/0/${offset}`,
        partition: 0,
        offset,
      },
    ];
  });
}

/** Reads every product, batch and line. The lines of a batch come oldest first. */
async function stockOf(database: Database) {
  const [products, batches, lines, unallocated] = await Promise.all([
    database.query('select sku, version from products order by sku'),
    database.query(
      'select reference, sku, quantity, eta, allocated_quantity from batches order by sku, id',
    ),
    database.query<{ reference: string; orderid: string; sku: string; qty: number }>(
      'select batches.reference, order_lines.orderid, order_lines.sku, order_lines.qty ' +
        `from allocations
       join batches on batches.id = allocations.batch_id ` +
        `join order_lines on order_lines.id = allocations.orderline_id order by allocations.id`,
    ),
    database.query(
      'select orderid from order_lines where id not in (select orderline_id from allocations)',
    ),
  ]);
  return {
    products,
    batches,
    lines: Object.fromEntries(Map.groupBy(lines, ({ reference }) => reference)),
    unallocated,
  };
}

async function empty(database: Database): Promise<void> {
  for (const table of ['allocations', 'order_lines', 'batches', 'products', 'processed_commands'])
    await database.query(`delete from ${table}`);
}

describeOnEachDatabase('The fold of the events', (current) => {
  const scratch = async () => {
    const database = await current.database();
    await empty(database);
    const fold = new EventFold(database);
    await fold.prepare();
    return { database, fold };
  };
  const addAll = (fold: EventFold, events: readonly FoldedEvent[]) =>
    fold.add(events, ['a command'], { partition: 0, nextOffset: events.length });

  const foldAll = (fold: EventFold) => fold.fold((sql) => fold.forget(sql));

  test('makes the database of the handlers from events in any order', async () => {
    const history = fc.tuple(meetingCommands, meetingCommands, fc.infiniteStream(fc.nat()));
    await withServed(async (served) => {
      await fc.assert(
        fc.asyncProperty(history, async ([before, after, places]) => {
          await empty(served);
          const answer = async (commands: readonly Command[]) => {
            const events: Event[] = [];
            for (const command of commands) events.push(...(await handleIn(served, command)));
            return events;
          };
          const early = await answer(before);
          const copy = await stockOf(served);
          const all = asFolded([...early, ...(await answer(after))]);
          const { database, fold } = await scratch();
          await addAll(fold, asFolded(early));
          await foldAll(fold);
          expect(await stockOf(database)).toEqual(copy);
          await fold.prepare();
          const shuffled = all
            .map((event) => ({ event, place: places.next().value }))
            .toSorted((a, b) => a.place - b.place);
          await addAll(
            fold,
            shuffled.map(({ event }) => event),
          );
          expect(await fold.gaps(10)).toEqual([]);
          await foldAll(fold);
          expect(await stockOf(database)).toEqual(await stockOf(served));
        }),
        { numRuns: RUNS[current.dialect] },
      );
    });
  }, 120_000);

  test('resumes at its stored progress, and folds a repeated event once', async () => {
    const { database, fold } = await scratch();
    const events = await eventsOf(createBatch('b', 'LAMP', 5), allocateOrder('o', 'LAMP'));
    expect(await fold.add(events.slice(0, 1), ['one'], { partition: 3, nextOffset: 7 })).toBe(0);
    expect(await new EventFold(database).progress()).toEqual(new Map([[3, 7]]));
    expect(await fold.add(events, ['one', 'two'], { partition: 3, nextOffset: 9 })).toBe(1);
    expect(await fold.progress()).toEqual(new Map([[3, 9]]));
    await fold.fold(nothing);
    expect(await database.query('select id from processed_commands order by id')).toEqual([
      { id: 'one' },
      { id: 'two' },
    ]);
    expect(await stockOf(database)).toMatchObject({ products: [{ sku: 'LAMP', version: 2 }] });
  });

  test('reports two different events of one sequence, but no event read twice', async () => {
    const { fold } = await scratch();
    const [created, allocated] = await eventsOf(
      createBatch('b', 'LAMP', 5),
      allocateOrder('o', 'LAMP'),
    );
    if (!created || !allocated) throw new Error('The commands led to no events');
    await fold.add([created, allocated], [], { partition: 0, nextOffset: 2 });
    await fold.add([created, allocated], [], { partition: 1, nextOffset: 2 });
    expect(await fold.conflicts(10)).toEqual([]);
    await fold.add([{ ...created, eta: '2027-01-01', partition: 1, offset: 3 }], [], {
      partition: 1,
      nextOffset: 4,
    });
    await fold.add([{ ...allocated, id: 'another', partition: 1, offset: 4 }], [], {
      partition: 1,
      nextOffset: 5,
    });
    const places = { firstPlace: '0/0', otherPlace: '1/3' };
    expect(await fold.conflicts(1)).toEqual([
      { sku: 'LAMP', sequence: 1, firstId: created.id, otherId: created.id, ...places },
    ]);
    expect(await fold.conflicts(10)).toMatchObject([
      { sequence: 1 },
      { sequence: 2, firstId: allocated.id, otherId: 'another' },
    ]);
  });

  test('reports a missing event, and folds no event behind the gap', async () => {
    const { database, fold } = await scratch();
    const events = await eventsOf(
      createBatch('b', 'LAMP', 5),
      ...['o1', 'o2', 'o3'].map((id) => allocateOrder(id, 'LAMP')),
    );
    await addAll(
      fold,
      events.filter(({ sequence }) => sequence !== 3),
    );
    expect(await fold.gaps(10)).toEqual([{ sku: 'LAMP', missing: 3, count: 1 }]);
    await fold.fold(nothing);
    expect(await stockOf(database)).toMatchObject({
      products: [{ sku: 'LAMP', version: 2 }],
      lines: { b: [{ orderid: 'o1' }] },
    });
  });

  test('refuses an allocation from an unknown batch, and changes nothing', async () => {
    const { database, fold } = await scratch();
    const line = {
      sku: 'LAMP',
      orderid: 'o',
      reference: 'nowhere',
      quantity: 1,
      eta: null,
      id: 'x',
      partition: 0,
      offset: 0,
    };
    await addAll(fold, [{ ...line, type: 'Allocated', sequence: 1 }]);
    await expect(fold.fold(nothing)).rejects.toThrow(UnfoldableError);
    expect(await stockOf(database)).toEqual({
      products: [],
      batches: [],
      lines: {},
      unallocated: [],
    });
    expect(await fold.progress()).toEqual(new Map([[0, 1]]));
  });

  test('commits together with the work that it is given, or not at all', async () => {
    const { database, fold } = await scratch();
    await addAll(fold, []);
    await expect(fold.fold(async () => Promise.reject(new Error('not now')))).rejects.toThrow(
      'not now',
    );
    expect(await fold.progress()).toEqual(new Map([[0, 0]]));
    await fold.fold(
      async (sql) => void (await sql(`insert into products (sku, version) values ('LAMP', 1)`)),
    );
    expect(await stockOf(database)).toMatchObject({ products: [{ sku: 'LAMP' }] });
  });
});

/** Runs `work` with a database in memory on which handlers answer commands. */
async function withServed<T>(work: (served: Database) => Promise<T>): Promise<T> {
  const served = await Database.open('sqlite:///:memory:');
  try {
    await served.runMigrations();
    return await work(served);
  } finally {
    await served.close();
  }
}

const eventsOf = (...commands: readonly Command[]) =>
  withServed(async (served) => asFolded(await handleIn(served, ...commands)));
