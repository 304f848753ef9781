// @module-tag db

import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database, type Session } from '../../../src/adapters/database/database.ts';
import { Batch } from '../../../src/domain/batch.ts';
import type { Command } from '../../../src/domain/commands.ts';
import { OrderLine } from '../../../src/domain/order-line.ts';
import { Product } from '../../../src/domain/product.ts';
import { postgresDatabase } from '../../support/databases.ts';

// Two transactions on PostgreSQL: the second waits for a product that the first has locked.

const DEADLINE_MS = 30_000;

describe.skipIf(inject('postgresUrl') === null)(
  'A transaction that waited for a product',
  { timeout: 2 * DEADLINE_MS },
  () => {
    let place: Awaited<ReturnType<typeof postgresDatabase>>;
    let database: Database;

    beforeEach(async () => {
      place = await postgresDatabase();
      database = await Database.open(place.url);
      await database.runMigrations();
      await database.getSession(async (session) =>
        session.products.add(productWithLine('LAMP', 'order-1')),
      );
    });

    afterEach(async () => {
      await database.close();
      await place.remove();
    });

    /**
     * Runs two transactions on one product, so that the second waits for the first.
     * @param change runs in the first transaction while the second waits
     * @param look runs in the second transaction once `commands` are prepared
     */
    async function waitingFor<T>(
      change: (session: Session) => Promise<void>,
      commands: readonly Command[],
      look: (session: Session) => T,
    ) {
      const locked = Promise.withResolvers<void>();
      const first = database.getSession(async (session) => {
        await session.products.get('LAMP');
        locked.resolve();
        const isWaiting = async () =>
          (await database.query('select 1 from pg_locks where not granted')).length > 0;
        await expect.poll(isWaiting, { timeout: DEADLINE_MS }).toBe(true);
        await change(session);
      });
      await locked.promise;
      const second = database.getSession(async (session) => {
        await session.prepare(commands);
        return look(session);
      });
      await first;
      return second;
    }

    const touchLamp: Command = {
      type: 'AllocateOrder',
      orderid: 'order-9',
      lines: [new OrderLine('order-9', 'LAMP', 1)],
    };

    it('knows a product that was added meanwhile', async () => {
      const both: Command = {
        type: 'AllocateOrder',
        orderid: 'order-2',
        lines: ['LAMP', 'NEW'].map((sku) => new OrderLine('order-2', sku, 1)),
      };
      const product = await waitingFor(
        async (session) => session.products.add(new Product('NEW', 1)),
        [both],
        async ({ products }) => products.get('NEW'),
      );
      expect(product).not.toBeNull();
    });

    it('knows a batch that was added meanwhile', async () => {
      const change: Command = { type: 'ChangeBatchQuantity', reference: 'late', quantity: 5 };
      const add = async ({ products }: Session) =>
        products.add(new Product('NEW', 1, [new Batch('late', 'NEW', 10, null)]));
      const product = await waitingFor(add, [touchLamp, change], async ({ products }) =>
        products.getByBatchReference('late'),
      );
      expect(product?.sku).toBe('NEW');
    });

    it('knows the products of an order that was allocated meanwhile', async () => {
      const letGo: Command = { type: 'DeallocateOrder', orderid: 'order-2', sku: null };
      const add = async ({ products }: Session) => products.add(productWithLine('NEW', 'order-2'));
      const orderProducts = await waitingFor(add, [touchLamp, letGo], async ({ products }) =>
        products.getByOrder('order-2'),
      );
      expect(orderProducts.map(({ sku }) => sku)).toEqual(['NEW']);
    });
  },
);

describe.skipIf(inject('postgresUrl') === null)(
  'A transaction in a database with another default isolation',
  () => {
    it.each(['repeatable read', 'serializable'])(
      'is read committed where the default is %s',
      async (isolation) => {
        const place = await postgresDatabase();
        try {
          const name = new URL(place.url).pathname.slice(1);
          const setting = await Database.open(place.url);
          await setting.query(
            `alter database "${name}" set default_transaction_isolation = '${isolation}'`,
          );
          await setting.close();
          const database = await Database.open(place.url);
          try {
            const shown = await database.transaction((sql) => sql('show transaction_isolation'));
            expect(shown).toEqual([{ transaction_isolation: 'read committed' }]);
            expect(await database.query('show default_transaction_isolation')).toEqual([
              { default_transaction_isolation: isolation },
            ]);
          } finally {
            await database.close();
          }
        } finally {
          await place.remove();
        }
      },
    );
  },
);

function productWithLine(sku: string, orderid: string): Product {
  const batch = new Batch(`${sku}-batch`, sku, 10, null);
  batch.allocate(new OrderLine(orderid, sku, 1));
  return new Product(sku, 1, [batch]);
}
