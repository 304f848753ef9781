import type { Product } from '../../src/domain/product.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';

/** A unit of work that keeps all products, with all their lines, in a map. */
export class InMemoryUnitOfWork implements UnitOfWork {
  readonly all = new Map<string, Product>();

  readonly products = {
    add: (product: Product) => void this.all.set(product.sku, product),
    get: async (sku: string) => this.all.get(sku) ?? null,
    getByBatchReference: async (reference: string) =>
      [...this.all.values()].find((product) => product.batch(reference)) ?? null,
    getByOrder: async (orderid: string) =>
      [...this.all.values()]
        .filter(({ batches }) => batches.some((batch) => batch.lineOf(orderid)))
        .toSorted((a, b) => (a.sku < b.sku ? -1 : 1)),
  };

  async prepare(): Promise<void> {}

  afterCommit(): void {}
}
