import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batch } from '../../../src/domain/batch.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { OrderLine } from '../../../src/domain/order-line.ts';
import { Product } from '../../../src/domain/product.ts';
import { AllocationModel, asSeen, type ModelEvent } from '../../support/allocation-model.ts';

const SKU = 'CHAIR';
const reference = fc.constantFrom('b1', 'b2', 'b3');
const orderid = fc.constantFrom('o1', 'o2', 'o3', 'o4', 'o5');

/** Any request to a product. A known line keeps its qty, because its order determines the qty. */
const anyRequest: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant('CreateBatch' as const),
    reference,
    sku: fc.constant(SKU),
    quantity: fc.nat(12),
    eta: fc.constantFrom(null, '2027-01-01', '2027-01-02'),
  }),
  {
    weight: 4,
    arbitrary: orderid.map(
      (id): Command => ({
        type: 'AllocateOrder',
        orderid: id,
        lines: [{ sku: SKU, qty: Number(id.slice(1)) }],
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('ChangeBatchQuantity' as const),
      reference,
      quantity: fc.nat(12),
    }),
  },
  fc.record({ type: fc.constant('DeallocateOrder' as const), orderid, sku: fc.constant(SKU) }),
);
const anyHistory = fc.array(anyRequest, { minLength: 1, maxLength: 40, size: 'max' });

/**
 * Sends a request to the product without the service layer. Skips what has no meaning for a single
 * product: an unknown batch, or the same batch again.
 */
function ask(product: Product, request: Command): readonly Event[] {
  switch (request.type) {
    case 'CreateBatch': {
      const { reference, sku, quantity, eta } = request;
      if (!product.batch(reference)) product.addBatch(new Batch(reference, sku, quantity, eta));
      break;
    }
    case 'AllocateOrder':
      for (const { sku, qty } of request.lines)
        product.allocate(new OrderLine(request.orderid, sku, qty));
      break;
    case 'ChangeBatchQuantity': {
      const batch = product.batch(request.reference);
      if (batch) product.changeBatchQuantity(batch, request.quantity);
      break;
    }
    case 'DeallocateOrder':
      product.deallocate(request.orderid);
  }
  const events = product.collectEvents();
  for (const event of events) {
    if (event.type === 'Deallocated' && event.because === 'batch-shrank')
      product.allocate(new OrderLine(event.orderid, event.sku, event.qty));
  }
  return [...events, ...product.collectEvents()];
}

/** Copies the product as a repository loads it: from its columns and its lines, oldest first. */
function reload(product: Product): Product {
  const batches = product.batches.map((batch) => {
    const copy = new Batch(
      batch.reference,
      batch.sku,
      batch.quantity,
      batch.eta,
      batch.allocatedQuantity,
    );
    for (const line of batch.lines) copy.restoreLine(line);
    return copy;
  });
  return new Product(product.sku, product.version, batches);
}

/** Selects the events of the model that a single product publishes. */
const isFromProduct = ({ type }: ModelEvent) => type !== 'CommandRejected';

describe('after any requests, in any order', () => {
  it.each([
    ['a product', (product: Product) => product],
    ['a product that is reloaded after each request', reload],
  ])('%s gives the events of the slow model', (_, between) => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const model = new AllocationModel();
        let product = new Product(SKU);
        for (const request of history) {
          // Without a batch, the model answers unknown-sku, but a product answers OutOfStock.
          if (request.type === 'AllocateOrder' && product.batches.length === 0) continue;
          expect(ask(product, request).map(asSeen)).toEqual(
            model.handle(request).filter(isFromProduct),
          );
          product = between(product);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a product allocates no more than a batch has, and no line twice', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const product = new Product(SKU);
        for (const request of history) {
          ask(product, request);
          for (const batch of product.batches) {
            const promised = [...batch.lines].reduce((sum, { qty }) => sum + qty, 0);
            if (promised !== batch.allocatedQuantity || promised > batch.quantity)
              expect.fail(`${batch.reference} has ${promised} allocated of ${batch.quantity}`);
          }
          const orders = product.batches.flatMap(({ lines }) =>
            [...lines].map((line) => line.orderid),
          );
          if (new Set(orders).size !== orders.length)
            expect.fail(`An order has a line twice: ${orders}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('an order has its batch from Allocated until Deallocated', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const product = new Product(SKU);
        const promised = new Map<string, string>();
        for (const event of history.flatMap((request) => ask(product, request))) {
          if (event.type === 'Allocated') promised.set(event.orderid, event.batchref);
          if (event.type === 'Deallocated') promised.delete(event.orderid);
        }
        const held = product.batches.flatMap((batch) =>
          [...batch.lines].map((line) => [line.orderid, batch.reference] as const),
        );
        expect(new Map(held)).toEqual(promised);
      }),
      { numRuns: 300 },
    );
  });
});
