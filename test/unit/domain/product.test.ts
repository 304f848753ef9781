import { describe, expect, it } from 'vitest';
import { Batch } from '../../../src/domain/batch.ts';
import { OrderLine } from '../../../src/domain/order-line.ts';
import { LineDiffersError, Product } from '../../../src/domain/product.ts';
import { batch, line, SKU } from '../../support/stock.ts';

const types = (product: Product) => product.collectEvents().map(({ type }) => type);

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

  it('knows which batch holds the line of each order, through all changes', () => {
    const [one, two] = [batch('one', 5), batch('two', 5, '2027-01-01')];
    one.restoreLine(line(2, 'stored'));
    const product = new Product(SKU, 1, [one, two]);
    product.allocate(line(5, 'first'));
    product.allocate(line(4, 'second'));
    const holders = () =>
      ['stored', 'first', 'second'].map((orderid) => product.holderOf(orderid)?.reference);
    expect(holders()).toEqual(['one', 'one', 'two']);
    product.deallocate('second');
    expect(holders()).toEqual(['one', 'one', undefined]);
    product.changeBatchQuantity(one, 4);
    expect(holders()).toEqual(['one', undefined, undefined]);
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
