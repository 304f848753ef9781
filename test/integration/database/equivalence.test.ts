// @module-tag db

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Database } from '../../../src/adapters/database/database.ts';
import type { Batch } from '../../../src/domain/batch.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import type { OrderLine } from '../../../src/domain/order-line.ts';
import type { Product } from '../../../src/domain/product.ts';
import { meetingCommands } from '../../support/arbitrary-commands.ts';
import { handleAll, handleIn, quietBus } from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';
import { InMemoryUnitOfWork } from '../../support/in-memory.ts';

/**
 * The rows of the tables. The batches of a product are in the order of their creation. The lines of
 * a batch are in the order of their allocation.
 */
interface Rows {
  readonly products: readonly ProductRow[];
  readonly batches: readonly BatchRow[];
  readonly lines: readonly LineRow[];
}

type ProductRow = Pick<Product, 'sku' | 'version'>;
type BatchRow = Pick<Batch, 'reference' | 'sku' | 'quantity' | 'eta'> & {
  readonly allocated_quantity: number;
};
type LineRow = Pick<OrderLine, 'orderid' | 'sku' | 'qty'> & { readonly reference: string };

describeOnEachDatabase('Commands', (current) => {
  test('have the same result prepared together, singly or not at all, and in memory', async () => {
    const database = await current.database();
    const property = fc.asyncProperty(
      meetingCommands,
      fc.integer({ min: 2, max: 40 }),
      async (commands, size) => {
        const memory = new InMemory();
        const events = await handleAll(commands, memory);
        for (const chunkSize of [commands.length, 1, size]) {
          await empty(database);
          expect(await handleInChunks(database, commands, chunkSize)).toEqual(events);
          expect(await rowsOf(database)).toEqual(memory.rows());
        }
        await empty(database);
        expect(await handleUnprepared(database, commands)).toEqual(events);
        expect(await rowsOf(database)).toEqual(memory.rows());
      },
    );
    await fc.assert(property, { numRuns: current.dialect === 'sqlite' ? 60 : 15 });
  }, 120_000);
});

async function handleInChunks(
  database: Database,
  commands: readonly Command[],
  size: number,
): Promise<Event[]> {
  const events: Event[] = [];
  for (let start = 0; start < commands.length; start += size) {
    events.push(...(await handleIn(database, ...commands.slice(start, start + size))));
  }
  return events;
}

async function handleUnprepared(
  database: Database,
  commands: readonly Command[],
): Promise<Event[]> {
  const bus = quietBus();
  return database.getSession(async (session) => {
    const events: Event[] = [];
    for (const command of commands) events.push(...(await bus.handle(command, session)));
    return events;
  });
}

async function rowsOf(database: Database): Promise<Rows> {
  return {
    products: by('sku', await database.query<ProductRow>('select sku, version from products')),
    batches: by(
      'sku',
      await database.query<BatchRow>(
        'select reference, sku, quantity, eta, allocated_quantity from batches order by id',
      ),
    ),
    lines: by(
      'reference',
      await database.query<LineRow>(
        'select batches.reference, order_lines.orderid, order_lines.sku, order_lines.qty ' +
          `from order_lines
         left join allocations on allocations.orderline_id = order_lines.id ` +
          `left join batches on batches.id = allocations.batch_id
         order by allocations.id`,
      ),
    ),
  };
}

/** Sorts the rows by a property. Rows with equal values keep their order. */
function by<K extends string, T extends Readonly<Record<K, string>>>(
  property: K,
  rows: readonly T[],
): readonly T[] {
  return rows.toSorted((a, b) =>
    a[property] === b[property] ? 0 : a[property] < b[property] ? -1 : 1,
  );
}

async function empty(database: Database): Promise<void> {
  for (const table of ['allocations', 'order_lines', 'batches', 'products'])
    await database.query(`delete from ${table}`);
}

/** A unit of work in memory that shows its contents as rows. */
class InMemory extends InMemoryUnitOfWork {
  rows(): Rows {
    const products = [...this.all.values()];
    const batches = products.flatMap((product) => product.batches);
    return {
      products: by(
        'sku',
        products.map(({ sku, version }) => ({ sku, version })),
      ),
      batches: by(
        'sku',
        batches.map(({ reference, sku, quantity, eta, allocatedQuantity }) => {
          return { reference, sku, quantity, eta, allocated_quantity: allocatedQuantity };
        }),
      ),
      lines: by(
        'reference',
        batches.flatMap(({ reference, lines }) =>
          [...lines].map(({ orderid, sku, qty }) => ({ reference, orderid, sku, qty })),
        ),
      ),
    };
  }
}
