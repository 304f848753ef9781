import fc from 'fast-check';
import type { Command } from '../../src/domain/commands.ts';

const sku = fc.constantFrom('CHAIR', 'TABLE', '__proto__');
const orderid = fc.constantFrom('o1', 'o2', 'o3', 'o4', 'constructor');
const reference = fc.constantFrom('b1', 'b2', 'b3', 'b4', 'b5');
const lines = fc.uniqueArray(fc.record({ sku, qty: fc.integer({ min: 1, max: 6 }) }), {
  minLength: 1,
  selector: (line) => line.sku,
});

/** Any command about a handful of names, so that commands touch the same things. */
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
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('AllocateOrder' as const), orderid, lines }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('ChangeBatchQuantity' as const),
      reference,
      quantity: fc.nat(15),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('DeallocateOrder' as const),
      orderid,
      sku: fc.option(sku),
    }),
  },
);

/** A few commands about one order and its batches that lead to cases which chance seldom brings. */
const story: fc.Arbitrary<readonly Command[]> = fc
  .record({ sku, orderid, references: fc.shuffledSubarray(['b1', 'b2', 'b3', 'b4', 'b5']) })
  .chain(({ sku, orderid, references: [first = 'b1', second = 'b2'] }) => {
    const create = (reference: string, eta: string | null): Command => ({
      type: 'CreateBatch',
      reference,
      sku,
      quantity: 9,
      eta,
    });
    const allocate: Command = { type: 'AllocateOrder', orderid, lines: [{ sku, qty: 3 }] };
    const deallocate = (of: string | null): Command => ({
      type: 'DeallocateOrder',
      orderid,
      sku: of,
    });
    const change = (reference: string, quantity: number): Command => ({
      type: 'ChangeBatchQuantity',
      reference,
      quantity,
    });
    return fc.constantFrom<readonly Command[]>(
      // A line moves from one batch to another, and back behind younger lines.
      [
        create(first, null),
        create(second, '2027-01-01'),
        allocate,
        change(first, 0),
        change(first, 9),
        change(second, 0),
      ],
      // A line is deallocated, and allocated again.
      [create(first, '2027-01-02'), allocate, deallocate(sku), allocate],
      [create(first, null), allocate, deallocate(null), allocate, deallocate(null)],
      // A batch changes up and down, below its allocated quantity.
      [create(first, null), allocate, change(first, 15), change(first, 2), change(first, 7)],
    );
  });

/**
 * A history whose commands touch the same things: stories, with any commands between and within
 * them.
 */
export const meetingCommands: fc.Arbitrary<readonly Command[]> = fc
  .array(
    fc.oneof(
      { weight: 2, arbitrary: story },
      { weight: 5, arbitrary: anyCommand.map((command) => [command]) },
    ),
    {
      minLength: 1,
      maxLength: 12,
      size: 'max',
    },
  )
  .map((parts) => parts.flat());
