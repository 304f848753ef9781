import { describe, expect, it } from 'vitest';
import { Batch, TooManyLinesError } from '../../../src/domain/batch.ts';
import { MAX_LINES_LET_GO } from '../../../src/domain/commands.ts';
import { batch, line, SKU } from '../../support/stock.ts';

describe('a batch', () => {
  it('allocates the same line only once', () => {
    const one = batch('one', 20);
    one.allocate(line(2));
    one.allocate(line(2));
    expect(one.availableQuantity).toBe(18);
  });

  it('ignores a line that does not fit or has another sku', () => {
    const one = batch('one', 1);
    one.allocate(line(2));
    one.allocate(line(1, 'order', 'OTHER'));
    expect([...one.lines]).toEqual([]);
  });

  it('deallocates only a line that it has', () => {
    const one = batch('one', 20);
    one.allocate(line(2));
    one.deallocate(line(3));
    expect(one.availableQuantity).toBe(18);
    one.deallocate(line(2));
    expect(one.availableQuantity).toBe(20);
  });

  it('that shrinks deallocates its newest lines until the rest fits', () => {
    const one = batch('one', 6);
    for (const orderid of ['a', 'b', 'c']) one.allocate(line(2, orderid));
    expect(one.changeQuantity(3).map(({ orderid }) => orderid)).toEqual(['c', 'b']);
    expect([one.quantity, one.availableQuantity]).toEqual([3, 1]);
  });

  it('that shrinks to its allocated quantity deallocates nothing', () => {
    const one = batch('one', 6);
    one.allocate(line(4));
    expect(one.changeQuantity(4)).toEqual([]);
    expect(one.availableQuantity).toBe(0);
  });

  it('lets go at most 10,000 lines at once, and says how far it can shrink', () => {
    const count = MAX_LINES_LET_GO + 5;
    const full = batch('full', count);
    for (let n = 0; n < count; n += 1) full.allocate(line(1, `order-${n}`));
    expect(() => full.changeQuantity(4)).toThrow(
      expect.objectContaining({
        constructor: TooManyLinesError,
        code: 'too-many-lines',
        message:
          'Batch full would let more than 10000 order lines go, the limit for one command. ' +
          'Lower its quantity in steps: one command can set 5 or more now',
      }),
    );
    expect([full.quantity, full.allocatedQuantity]).toEqual([count, count]);
    expect(full.changeQuantity(5)).toHaveLength(MAX_LINES_LET_GO);
  });

  it('restores a stored line without counting it again', () => {
    const one = new Batch('one', SKU, 10, null, 4);
    one.restoreLine(line(4));
    expect([one.allocatedQuantity, one.lineOf('order')]).toEqual([4, line(4)]);
  });

  it('restores a stored line even if it is full', () => {
    const full = new Batch('full', SKU, 4, null, 4);
    full.restoreLine(line(4));
    full.deallocate(line(4));
    expect(full.availableQuantity).toBe(4);
  });

  it('equals only a batch with the same reference', () => {
    expect(batch('one', 1).equals(batch('one', 2, '2027-01-01'))).toBe(true);
    expect(batch('one', 1).equals(batch('two', 1))).toBe(false);
  });

  it('refuses to shrink below its allocated quantity if its lines are not loaded', () => {
    expect(() => new Batch('one', SKU, 10, null, 10).changeQuantity(5)).toThrow('not loaded');
  });
});
