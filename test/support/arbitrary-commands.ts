import fc from 'fast-check';
import type { Command } from '../../src/domain/commands.ts';

const sku = fc.constantFrom('CHAIR', 'TABLE', '__proto__');
const orderid = fc.constantFrom('o1', 'o2', 'o3', 'o4', 'constructor');
const reference = fc.constantFrom('b1', 'b2', 'b3', 'b4', 'b5');
const lines = fc.uniqueArray(fc.record({ sku, qty: fc.integer({ min: 1, max: 6 }) }), { minLength: 1, selector: (line) => line.sku });

/** Any command about a handful of names, so that commands meet. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('CreateBatch' as const),
      reference,
      sku,
      quantity: fc.nat(20),
      eta: fc.constantFrom(null, '2027-01-01', '2027-01-02'),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('AllocateOrder' as const), orderid, lines }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('ChangeBatchQuantity' as const), reference, quantity: fc.nat(15) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('DeallocateOrder' as const), orderid, sku: fc.option(sku) }) },
);
