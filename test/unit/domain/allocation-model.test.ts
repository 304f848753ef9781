import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/domain/commands.ts';
import { AllocationModel } from '../../support/allocation-model.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
} from '../../support/commands.ts';

/** The judge is judged here, by examples worked out by hand from the contract. One line per event. */
const CASES: readonly (readonly [
  name: string,
  history: readonly Command[],
  lastAnswer: readonly string[],
])[] = [
  [
    'a new batch',
    [createBatch('b1', 'LAMP', 5, '2027-01-01')],
    ['BatchCreated LAMP b1 5 2027-01-01 #1'],
  ],
  ['the same batch again', [createBatch('b1', 'LAMP', 5), createBatch('b1', 'LAMP', 5)], []],
  [
    'the reference with another quantity',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'LAMP', 6)],
    ['batch-differs LAMP b1'],
  ],
  [
    'the reference with another sku',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'SOFA', 5)],
    ['batch-differs SOFA b1'],
  ],
  [
    'the reference with another eta',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'LAMP', 5, '2027-01-01')],
    ['batch-differs LAMP b1'],
  ],
  [
    'the same batch again, with the quantity that it has by now',
    [createBatch('b1', 'LAMP', 5), changeBatchQuantity('b1', 6), createBatch('b1', 'LAMP', 6)],
    [],
  ],
  ['a sku that nobody has heard of', [allocateOrder('o1', 'LAMP')], ['unknown-sku LAMP o1']],
  [
    'a line that fits exactly',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 5)],
    ['Allocated LAMP o1 5 b1 #2'],
  ],
  [
    'a line too large',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 6)],
    ['OutOfStock LAMP o1 6 #2'],
  ],
  [
    'a line that was out of stock, with another qty: it is not remembered',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 6), allocateOrder('o1', 'LAMP', 5)],
    ['Allocated LAMP o1 5 b1 #3'],
  ],
  [
    'stock before a shipment, however late it was announced',
    [
      createBatch('b1', 'LAMP', 5, '2027-01-01'),
      createBatch('b2', 'LAMP', 5),
      allocateOrder('o1', 'LAMP', 1),
    ],
    ['Allocated LAMP o1 1 b2 #3'],
  ],
  [
    'the earlier shipment',
    [
      createBatch('b1', 'LAMP', 5, '2027-01-02'),
      createBatch('b2', 'LAMP', 5, '2027-01-01'),
      allocateOrder('o1', 'LAMP', 1),
    ],
    ['Allocated LAMP o1 1 b2 #3'],
  ],
  [
    'the batch created first, of two in stock',
    [createBatch('b2', 'LAMP', 5), createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 1)],
    ['Allocated LAMP o1 1 b2 #3'],
  ],
  [
    'the same line again, its batch being full and another empty',
    [
      createBatch('b1', 'LAMP', 5),
      createBatch('b2', 'LAMP', 5),
      allocateOrder('o1', 'LAMP', 5),
      allocateOrder('o1', 'LAMP', 5),
    ],
    ['AlreadyAllocated LAMP o1 5 b1'],
  ],
  [
    'the same line with another qty',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 1), allocateOrder('o1', 'LAMP', 2)],
    ['line-differs LAMP o1'],
  ],
  [
    'an order of several lines, each answered in its turn and counted by its sku',
    [
      createBatch('b1', 'SOFA', 1),
      createBatch('b2', 'LAMP', 9),
      {
        type: 'AllocateOrder',
        orderid: 'o1',
        lines: [
          { sku: 'SOFA', qty: 2 },
          { sku: 'NONE', qty: 1 },
          { sku: 'LAMP', qty: 3 },
        ],
      },
    ],
    ['OutOfStock SOFA o1 2 #2', 'unknown-sku NONE o1', 'Allocated LAMP o1 3 b2 #2'],
  ],
  [
    'the quantity of a batch that is not there',
    [changeBatchQuantity('b1', 5)],
    ['unknown-batch b1'],
  ],
  [
    'the quantity that the batch has',
    [createBatch('b1', 'LAMP', 5), changeBatchQuantity('b1', 5)],
    ['BatchQuantityChanged LAMP b1 5 #2'],
  ],
  [
    'a batch that shrinks: newest first, as many as must, then each in that order: elsewhere, or nowhere',
    [
      createBatch('b1', 'LAMP', 6),
      allocateOrder('o1', 'LAMP', 1),
      allocateOrder('o2', 'LAMP', 3),
      allocateOrder('o3', 'LAMP', 2),
      createBatch('b2', 'LAMP', 2, '2027-01-01'),
      changeBatchQuantity('b1', 1),
    ],
    [
      'BatchQuantityChanged LAMP b1 1 #6',
      'Deallocated LAMP o3 2 b1 #7',
      'Deallocated LAMP o2 3 b1 #8',
      'Allocated LAMP o3 2 b2 #9',
      'OutOfStock LAMP o2 3 #10',
    ],
  ],
  [
    'a line let go that fits into what an older, larger one then left: it comes back',
    [
      createBatch('b1', 'LAMP', 8),
      allocateOrder('o1', 'LAMP', 1),
      allocateOrder('o2', 'LAMP', 5),
      allocateOrder('o3', 'LAMP', 2),
      changeBatchQuantity('b1', 4),
    ],
    [
      'BatchQuantityChanged LAMP b1 4 #5',
      'Deallocated LAMP o3 2 b1 #6',
      'Deallocated LAMP o2 5 b1 #7',
      'Allocated LAMP o3 2 b1 #8',
      'OutOfStock LAMP o2 5 #9',
    ],
  ],
  [
    'a line that was let go and placed again is the newest',
    [
      createBatch('b1', 'LAMP', 4),
      allocateOrder('o1', 'LAMP', 2),
      allocateOrder('o2', 'LAMP', 2),
      deallocateOrder('o1', 'LAMP'),
      allocateOrder('o1', 'LAMP', 2),
      changeBatchQuantity('b1', 2),
    ],
    ['BatchQuantityChanged LAMP b1 2 #6', 'Deallocated LAMP o1 2 b1 #7', 'OutOfStock LAMP o1 2 #8'],
  ],
  [
    'an order that lets all go, in the order of the skus as code units',
    [
      createBatch('b1', 'a', 1),
      createBatch('b2', 'Z', 1),
      createBatch('b3', '\u{1f6cb}', 1),
      createBatch('b4', '\uff21', 1),
      ...['a', '\uff21', '\u{1f6cb}', 'Z'].map((sku) => allocateOrder('o1', sku)),
      deallocateOrder('o1'),
    ],
    [
      'Deallocated Z o1 1 b2 #3',
      'Deallocated a o1 1 b1 #3',
      'Deallocated \u{1f6cb} o1 1 b3 #3',
      'Deallocated \uff21 o1 1 b4 #3',
    ],
  ],
  [
    'an order that lets one sku go',
    [
      createBatch('b1', 'LAMP', 1),
      createBatch('b2', 'SOFA', 1),
      allocateOrder('o1', 'LAMP'),
      allocateOrder('o1', 'SOFA'),
      deallocateOrder('o1', 'SOFA'),
    ],
    ['Deallocated SOFA o1 1 b2 #3'],
  ],
  [
    'a line let go on request looks for no other batch, and can be had anew',
    [
      createBatch('b1', 'LAMP', 1),
      allocateOrder('o1', 'LAMP'),
      deallocateOrder('o1'),
      allocateOrder('o1', 'LAMP'),
    ],
    ['Allocated LAMP o1 1 b1 #4'],
  ],
  [
    'an order of which nothing is allocated',
    [createBatch('b1', 'LAMP', 1), deallocateOrder('o1')],
    ['unknown-order o1'],
  ],
  [
    'an order of which nothing of the sku is allocated',
    [createBatch('b1', 'LAMP', 1), deallocateOrder('o1', 'LAMP')],
    ['unknown-order LAMP o1'],
  ],
];

describe('the model that judges the service answers', () => {
  it.each(CASES)('%s', (_, history, lastAnswer) => {
    const model = new AllocationModel();
    const answers = history.map((command) => model.handle(command));
    const said = answers
      .at(-1)
      ?.map(
        ({
          type,
          command: _,
          reason,
          sku,
          orderid,
          reference,
          qty,
          quantity,
          batchref,
          eta,
          sequence,
        }) =>
          [
            reason ?? type,
            sku,
            orderid,
            reference,
            qty,
            quantity,
            batchref,
            eta,
            sequence && `#${sequence}`,
          ]
            .filter((part) => part !== undefined && part !== null)
            .join(' '),
      );
    expect(said).toEqual(lastAnswer);
  });
});
