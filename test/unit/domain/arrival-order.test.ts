import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate } from '../../../src/domain/allocate.ts';
import { ArrivalOrder } from '../../../src/domain/arrival-order.ts';
import type { Batch } from '../../../src/domain/batch.ts';
import { batch, line } from '../../support/stock.ts';

/** More than two blocks. Some batches are due later, and few have much. */
const anyBatches = fc
  .array(
    fc.record({
      eta: fc.constantFrom(null, null, '2027-01-01', '2027-01-02'),
      quantity: fc.oneof({ weight: 9, arbitrary: fc.nat(2) }, fc.nat(20)),
    }),
    { maxLength: 700, size: 'max' },
  )
  .map((all) => all.map(({ eta, quantity }, index) => batch(`b${index}`, quantity, eta)));

const anySteps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('allocate' as const),
        qty: fc.integer({ min: 1, max: 20 }),
      }),
    },
    fc.record({ kind: fc.constant('raise' as const), index: fc.nat(699), by: fc.nat(20) }),
    fc.record({
      kind: fc.constant('add' as const),
      eta: fc.constantFrom(null, '2027-01-01', '2027-01-03'),
      quantity: fc.nat(20),
    }),
  ),
  { maxLength: 60, size: 'max' },
);

/** Returns what `allocate()` chooses among the batches, or that it fails. Nothing changes. */
function choiceAmong(batches: readonly Batch[], qty: number): string {
  const wanted = line(qty);
  try {
    const reference = allocate(wanted, batches);
    batches.find((each) => each.reference === reference)?.deallocate(wanted);
    return reference;
  } catch (error) {
    return String(error);
  }
}

describe('The candidates for a line', () => {
  it('lead to the same choice as all batches, whatever happened before', () => {
    fc.assert(
      fc.property(anyBatches, anySteps, (batches, steps) => {
        const arrivals = new ArrivalOrder(batches);
        for (const [number, step] of steps.entries()) {
          if (step.kind === 'add') {
            const added = batch(`b${batches.length}`, step.quantity, step.eta);
            batches.push(added);
            arrivals.add(added);
          } else if (step.kind === 'raise') {
            const raised = batches[step.index];
            raised?.changeQuantity(raised.quantity + step.by);
            if (raised) arrivals.noteMore(raised);
          } else {
            const chosen = choiceAmong(arrivals.candidatesFor(step.qty), step.qty);
            expect(chosen).toBe(choiceAmong(batches, step.qty));
            const holder = batches.find(({ reference }) => reference === chosen);
            holder?.allocate(line(step.qty, `order-${number}`));
          }
        }
      }),
    );
  });

  it('are few, however many batches a product has', () => {
    const many = Array.from({ length: 1_000 }, (_, index) => batch(`b${index}`, 1));
    const arrivals = new ArrivalOrder([...many, batch('large', 5, '2027-01-01')]);
    const candidates = arrivals.candidatesFor(5);
    expect(candidates.length).toBeLessThanOrEqual(256);
    expect(candidates.map(({ reference }) => reference)).toContain('large');
  });

  it('are none if no batch has enough left', () => {
    expect(new ArrivalOrder([batch('small', 9)]).candidatesFor(10)).toEqual([]);
  });
});
