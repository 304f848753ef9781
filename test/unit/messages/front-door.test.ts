import { describe, expect, it } from 'vitest';
import { commandKey } from '../../../src/messages/front-door.ts';

describe('the key of a command', () => {
  it.each([
    [{ type: 'CreateBatch', reference: 'b', sku: 'S', quantity: 1, eta: null } as const, 'S'],
    [{ type: 'AllocateOrder', orderid: 'o', lines: [{ sku: 'S', qty: 1 }] } as const, 'S'],
    [
      {
        type: 'AllocateOrder',
        orderid: 'o',
        lines: [
          { sku: 'S', qty: 1 },
          { sku: 'T', qty: 1 },
        ],
      } as const,
      'o',
    ],
    [{ type: 'ChangeBatchQuantity', reference: 'b', quantity: 1 } as const, 'b'],
    [{ type: 'DeallocateOrder', orderid: 'o', sku: 'S' } as const, 'S'],
    [{ type: 'DeallocateOrder', orderid: 'o', sku: null } as const, 'o'],
  ])('of $type is $1', (command, key) => {
    expect(commandKey(command)).toBe(key);
  });
});
