import { describe, expect, it } from 'vitest';
import { allocate, OutOfStockError } from '../../../src/domain/allocate.ts';
import { batch, line, SKU } from '../../support/stock.ts';

describe('allocating a line among batches', () => {
  it('prefers a batch in stock to a shipment', () => {
    const [due, here] = [batch('due', 100, '2027-01-01'), batch('here', 100)];
    expect(allocate(line(10), [due, here])).toBe('here');
    expect([due.availableQuantity, here.availableQuantity]).toEqual([100, 90]);
  });

  it('prefers the earliest shipment', () => {
    const batches = [
      batch('later', 100, '2027-03-01'),
      batch('earliest', 100, '2026-12-31'),
      batch('early', 100, '2027-01-01'),
    ];
    expect(allocate(line(10), batches)).toBe('earliest');
  });

  it('prefers the first of two batches with the same eta', () => {
    expect(allocate(line(1), [batch('first', 10), batch('second', 10)])).toBe('first');
    expect(
      allocate(line(1), [batch('first', 10, '2027-01-01'), batch('second', 10, '2027-01-01')]),
    ).toBe('first');
  });

  it('skips a batch with too little left and a batch of another sku', () => {
    expect(
      allocate(line(10), [
        batch('small', 9),
        batch('other', 100, null, 'OTHER'),
        batch('enough', 10, '2027-01-01'),
      ]),
    ).toBe('enough');
  });

  it('fails and names the sku if no batch has enough', () => {
    expect(() => allocate(line(10), [batch('small', 9)])).toThrow(new OutOfStockError(SKU));
    expect(new OutOfStockError(SKU).code).toBe('out-of-stock');
    expect(new OutOfStockError(SKU).message).toContain(SKU);
  });

  it('leaves the batches unchanged if it fails', () => {
    const small = batch('small', 9);
    expect(() => allocate(line(10), [small])).toThrow(OutOfStockError);
    expect([small.availableQuantity, small.allocatedQuantity]).toEqual([9, 0]);
  });
});
