import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { Batch, OrderLine, Product } from '../../../src/domain/model.ts';
import { AllocationModel, asSeen, type ModelEvent } from '../../support/allocation-model.ts';

const SKU = 'CHAIR';
const reference = fc.constantFrom('b1', 'b2', 'b3');
const orderid = fc.constantFrom('o1', 'o2', 'o3', 'o4', 'o5');

/** What a product can be asked for: new batches and known ones, lines that are new or have the qty they had (it goes by the order). */
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

/** Without the service layer: what has no meaning for a single product (an unknown batch, the same one again) is left out. */
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

/** The product as a repository would load it: from its stored columns and its lines, oldest first. */
function stored(product: Product): Product {
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

/** Of the model: what a single product says. */
const ofProduct = ({ type }: ModelEvent) => type !== 'CommandRejected';

describe('after any requests, in any order', () => {
  it.each([
    ['a product', (product: Product) => product],
    ['a product that is stored and loaded between any two', stored],
  ])('%s says what the slow, obvious model says', (_, between) => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const model = new AllocationModel();
        let product = new Product(SKU);
        for (const request of history) {
          // The model knows no sku without a batch, where a product that has none yet is out of stock.
          if (request.type === 'AllocateOrder' && product.batches.length === 0) continue;
          expect(ask(product, request).map(asSeen)).toEqual(
            model.handle(request).filter(ofProduct),
          );
          product = between(product);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a product never promises more of a batch than there is, nor one line twice', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const product = new Product(SKU);
        for (const request of history) {
          ask(product, request);
          for (const batch of product.batches) {
            const promised = [...batch.lines].reduce((sum, { qty }) => sum + qty, 0);
            if (promised !== batch.allocatedQuantity || promised > batch.quantity)
              expect.fail(`${batch.reference}: ${promised}`);
          }
          const orders = product.batches.flatMap(({ lines }) =>
            [...lines].map((line) => line.orderid),
          );
          if (new Set(orders).size !== orders.length) expect.fail(`twice: ${orders}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('an order that was told Allocated is held, until it is told otherwise', () => {
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
