import type { LaneTransaction } from '../../../src/service-layer/lane-store.ts';
import { over } from '../../support/over.ts';
import { happening, inTransaction, type Parts } from './planting.ts';

/** How much more is allocated than there is. */
const UNNOTICED = 3;

/** Bugs of the stock that a transaction writes, and of its events. */
export const stockPlants = {
  'stock is kept from one transaction to the next': (parts) => {
    const kept = new Map<string, Awaited<ReturnType<LaneTransaction['products']['get']>>>();
    return inTransaction(parts, ({ products }) => ({
      products: over(products, {
        get: async (sku) => {
          const product = kept.get(sku) ?? (await products.get(sku));
          kept.set(sku, product);
          return product;
        },
      }),
    }));
  },
  'a new product is not written': (parts) =>
    inTransaction(parts, ({ products }) => ({ products: over(products, { add: () => {} }) })),
  'events are counted in memory': (parts) => {
    const counts = new Map<string, number>();
    return happening(parts, (events) =>
      events.map((event) => {
        if (!('version' in event)) return event;
        const version = (counts.get(event.sku) ?? event.version - 1) + 1;
        counts.set(event.sku, version);
        return { ...event, version };
      }),
    );
  },
  'more is allocated than there is': (parts) =>
    inTransaction(parts, ({ products }) => ({
      products: over(products, {
        get: async (sku) => {
          const product = await products.get(sku);
          for (const batch of product?.batches ?? [])
            batch.canAllocate = ({ qty }) => batch.availableQuantity + UNNOTICED >= qty;
          return product;
        },
      }),
    })),
  'only the first event of a command is published': (parts) =>
    happening(parts, (events) => events.slice(0, 1)),
} satisfies Record<string, (parts: Parts) => Parts>;
