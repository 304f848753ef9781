import { describe, expect, it } from 'vitest';
import { MAX_LINES_LET_GO } from '../../../src/domain/commands.ts';
import {
  allocate,
  Batch,
  LineDiffersError,
  OrderLine,
  OutOfStockError,
  Product,
  TooManyLinesError,
} from '../../../src/domain/model.ts';

const SKU = 'ELEGANT-LAMP';
const batch = (reference: string, quantity: number, eta: string | null = null, sku = SKU) =>
  new Batch(reference, sku, quantity, eta);
const line = (qty: number, orderid = 'order', sku = SKU) => new OrderLine(orderid, sku, qty);
const types = (product: Product) => product.collectEvents().map(({ type }) => type);

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

describe('a product', () => {
  it('numbers its events from 1', () => {
    const product = new Product(SKU);
    product.addBatch(batch('one', 5));
    product.allocate(line(5));
    product.allocate(line(1, 'another'));
    expect(product.collectEvents().map((event) => 'version' in event && event.version)).toEqual([
      1, 2, 3,
    ]);
    expect(product.version).toBe(3);
  });

  it('finds a line that it has allocated before, even if its batch is full', () => {
    const product = new Product(SKU);
    product.addBatch(batch('full', 5));
    product.addBatch(batch('empty', 5));
    product.allocate(line(5));
    product.allocate(line(5));
    expect(types(product)).toEqual([
      'BatchCreated',
      'BatchCreated',
      'Allocated',
      'AlreadyAllocated',
    ]);
    expect(product.version).toBe(3);
  });

  it('refuses the same line with another qty', () => {
    const product = new Product(SKU, 1, [batch('one', 5)]);
    product.allocate(line(1));
    expect(() => product.allocate(line(2))).toThrow(
      new LineDiffersError(`Order order has 1 of sku ${SKU} allocated, not 2`),
    );
    expect([types(product), product.version]).toEqual([['Allocated'], 2]);
  });

  it('tells whether there was a line to deallocate', () => {
    const product = new Product(SKU, 1, [batch('one', 5)]);
    product.allocate(line(5));
    expect([
      product.deallocate('stranger'),
      product.deallocate('order'),
      product.deallocate('order'),
    ]).toEqual([false, true, false]);
    const [allocated, deallocated] = product.collectEvents();
    expect(allocated).toMatchObject({ type: 'Allocated' });
    expect(deallocated).toMatchObject({ type: 'Deallocated', because: 'requested' });
    expect(product.version).toBe(3);
  });

  it('passes on an error that is not OutOfStockError, without an event', () => {
    class Broken extends Batch {
      override canAllocate(): boolean {
        throw new RangeError('broken');
      }
    }
    const product = new Product(SKU, 1, [new Broken('one', SKU, 5, null)]);
    expect(() => product.allocate(line(1))).toThrow(RangeError);
    expect([types(product), product.version]).toEqual([[], 1]);
  });

  it('equals only a product with the same sku', () => {
    expect(new Product(SKU, 1).equals(new Product(SKU, 2))).toBe(true);
    expect(new Product(SKU).equals(new Product('OTHER'))).toBe(false);
  });

  it('does not change the list of batches that it was given', () => {
    const batches = [batch('one', 5)];
    const product = new Product(SKU, 1, batches);
    product.addBatch(batch('two', 5));
    expect(batches).toHaveLength(1);
  });

  it('deallocates a line with the reason batch-shrank if its batch shrinks', () => {
    const one = batch('one', 5);
    const product = new Product(SKU, 1, [one]);
    product.allocate(line(5));
    product.changeBatchQuantity(one, 4);
    const [, changed, deallocated] = product.collectEvents();
    expect(changed).toMatchObject({ type: 'BatchQuantityChanged', quantity: 4, version: 3 });
    expect(deallocated).toMatchObject({
      type: 'Deallocated',
      orderid: 'order',
      because: 'batch-shrank',
      version: 4,
    });
  });

  it.each(['__proto__', 'constructor', 'toString', '🪑'])(
    'treats %s as a name like any other',
    (name) => {
      const product = new Product(name, 0, [new Batch(name, name, 5, null)]);
      product.allocate(new OrderLine(name, name, 2));
      expect(product.collectEvents()).toEqual([
        { type: 'Allocated', orderid: name, sku: name, qty: 2, batchref: name, version: 1 },
      ]);
    },
  );
});
