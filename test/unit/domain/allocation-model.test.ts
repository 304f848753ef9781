import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/domain/commands.ts';
import { AllocationModel } from '../../support/allocation-model.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
} from '../../support/commands.ts';

/** Examples that were worked out by hand from the contract. One string per event. */
const CASES: readonly (readonly [
  name: string,
  history: readonly Command[],
  lastAnswer: readonly string[],
])[] = [
  [
    'BatchCreated for a new batch',
    [createBatch('b1', 'LAMP', 5, '2027-01-01')],
    ['BatchCreated LAMP b1 5 2027-01-01 #1'],
  ],
  [
    'nothing for the same batch again',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'LAMP', 5)],
    [],
  ],
  [
    'batch-differs for a known reference with another quantity',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'LAMP', 6)],
    ['batch-differs LAMP b1'],
  ],
  [
    'batch-differs for a known reference with another sku',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'SOFA', 5)],
    ['batch-differs SOFA b1'],
  ],
  [
    'batch-differs for a known reference with another eta',
    [createBatch('b1', 'LAMP', 5), createBatch('b1', 'LAMP', 5, '2027-01-01')],
    ['batch-differs LAMP b1'],
  ],
  [
    'nothing for the same batch again with its changed quantity',
    [createBatch('b1', 'LAMP', 5), changeBatchQuantity('b1', 6), createBatch('b1', 'LAMP', 6)],
    [],
  ],
  ['unknown-sku for a sku without a batch', [allocateOrder('o1', 'LAMP')], ['unknown-sku LAMP o1']],
  [
    'Allocated for a line that fits exactly',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 5)],
    ['Allocated LAMP o1 5 b1 #2'],
  ],
  [
    'OutOfStock for a line that is too large',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 6)],
    ['OutOfStock LAMP o1 6 #2'],
  ],
  [
    'Allocated for a line that was out of stock and comes with another qty',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 6), allocateOrder('o1', 'LAMP', 5)],
    ['Allocated LAMP o1 5 b1 #3'],
  ],
  [
    'Allocated from stock rather than from a shipment that was announced first',
    [
      createBatch('b1', 'LAMP', 5, '2027-01-01'),
      createBatch('b2', 'LAMP', 5),
      allocateOrder('o1', 'LAMP', 1),
    ],
    ['Allocated LAMP o1 1 b2 #3'],
  ],
  [
    'Allocated from the earlier shipment',
    [
      createBatch('b1', 'LAMP', 5, '2027-01-02'),
      createBatch('b2', 'LAMP', 5, '2027-01-01'),
      allocateOrder('o1', 'LAMP', 1),
    ],
    ['Allocated LAMP o1 1 b2 #3'],
  ],
  [
    'Allocated from the batch that was created first if two are in stock',
    [createBatch('b2', 'LAMP', 5), createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 1)],
    ['Allocated LAMP o1 1 b2 #3'],
  ],
  [
    'AlreadyAllocated for the same line while its batch is full',
    [
      createBatch('b1', 'LAMP', 5),
      createBatch('b2', 'LAMP', 5),
      allocateOrder('o1', 'LAMP', 5),
      allocateOrder('o1', 'LAMP', 5),
    ],
    ['AlreadyAllocated LAMP o1 5 b1'],
  ],
  [
    'line-differs for the same line with another qty',
    [createBatch('b1', 'LAMP', 5), allocateOrder('o1', 'LAMP', 1), allocateOrder('o1', 'LAMP', 2)],
    ['line-differs LAMP o1'],
  ],
  [
    'one event for each line of an order, in order, counted by its sku',
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
    'unknown-batch for the quantity of a missing batch',
    [changeBatchQuantity('b1', 5)],
    ['unknown-batch b1'],
  ],
  [
    'BatchQuantityChanged for the quantity that the batch has',
    [createBatch('b1', 'LAMP', 5), changeBatchQuantity('b1', 5)],
    ['BatchQuantityChanged LAMP b1 5 #2'],
  ],
  [
    'the newest lines first if a batch shrinks, each then placed or out of stock',
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
    'Allocated in the same batch for a small line once a larger one has left',
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
    'Deallocated first for a line that was deallocated and allocated again',
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
    'Deallocated for each line of an order, by sku in code unit order',
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
    'Deallocated for one sku of an order',
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
    'Allocated again for a line that was deallocated on request',
    [
      createBatch('b1', 'LAMP', 1),
      allocateOrder('o1', 'LAMP'),
      deallocateOrder('o1'),
      allocateOrder('o1', 'LAMP'),
    ],
    ['Allocated LAMP o1 1 b1 #4'],
  ],
  [
    'unknown-order for an order without allocated lines',
    [createBatch('b1', 'LAMP', 1), deallocateOrder('o1')],
    ['unknown-order o1'],
  ],
  [
    'unknown-order for a sku of which the order has no line',
    [createBatch('b1', 'LAMP', 1), deallocateOrder('o1', 'LAMP')],
    ['unknown-order LAMP o1'],
  ],
];

describe('the allocation model answers', () => {
  it.each(CASES)('%s', (_, history, lastAnswer) => {
    const model = new AllocationModel();
    const answers = history.map((command) => model.handle(command));
    const events = answers
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
    expect(events).toEqual(lastAnswer);
  });
});
