import { describe, expect, it } from 'vitest';
import { COMMAND_TYPES, type NeededStock, scopeOf } from '../../../src/domain/command-scopes.ts';
import type { Command } from '../../../src/domain/commands.ts';
import { skusNamedBy } from '../../../src/domain/subjects.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
} from '../../support/commands.ts';

const order: Command = {
  type: 'AllocateOrder',
  orderid: 'o',
  lines: [
    { sku: 'LAMP', qty: 1 },
    { sku: 'SOFA', qty: 2 },
  ],
};

/** Lists what the command needs of the stored stock. */
function needsOf(command: Command): readonly string[] {
  const needs: string[] = [];
  const note =
    (what: string) =>
    (...parts: readonly unknown[]) => {
      needs.push([what, ...parts].join(' '));
    };
  const stock: NeededStock = {
    addProduct: note('product'),
    addNewBatch: note('new batch'),
    addBatchQuantity: note('quantity'),
    addNewLine: note('new line'),
    addLine: note('line'),
  };
  scopeOf(command).addNeeds(command, stock);
  return needs;
}

describe('A command', () => {
  it.each([
    [createBatch('b', 'LAMP', 5), ['product LAMP', 'new batch b LAMP']],
    [order, ['product LAMP', 'new line o LAMP 1', 'product SOFA', 'new line o SOFA 2']],
    [changeBatchQuantity('b', 5), ['quantity b 5']],
    [deallocateOrder('o', 'LAMP'), ['product LAMP', 'line o LAMP']],
    [deallocateOrder('o'), []],
  ])('%o needs what its handler loads', (command, needs) => {
    expect(needsOf(command)).toEqual(needs);
  });

  it.each([
    [createBatch('b', 'LAMP', 5), 'b', null, ['LAMP']],
    [order, null, 'o', ['LAMP', 'SOFA']],
    [changeBatchQuantity('b', 5), 'b', null, []],
    [deallocateOrder('o', 'LAMP'), null, 'o', ['LAMP']],
    [deallocateOrder('o'), null, 'o', []],
  ])('%o names a batch, an order and products', (command, batch, orderid, skus) => {
    const scope = scopeOf(command);
    expect([scope.batch(command), scope.order(command)]).toEqual([batch, orderid]);
    expect(skusNamedBy(command)).toEqual(skus);
  });

  it.each([
    [createBatch('b', 'LAMP', 5), false],
    [allocateOrder('o', 'LAMP'), false],
    [changeBatchQuantity('b', 5), true],
    [deallocateOrder('o', 'LAMP'), false],
    [deallocateOrder('o'), true],
  ])('%o may change products that it does not name: %s', (command, isPossible) => {
    expect(scopeOf(command).hasUnnamedProducts(command)).toBe(isPossible);
  });
});

it('the types of commands stand in the order in which people read about them', () => {
  expect(COMMAND_TYPES).toEqual([
    'CreateBatch',
    'AllocateOrder',
    'ChangeBatchQuantity',
    'DeallocateOrder',
  ]);
});
