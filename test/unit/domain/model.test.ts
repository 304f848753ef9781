import { describe, expect, it } from 'vitest';
import { allocate, Batch, LineDiffersError, OrderLine, OutOfStockError, Product } from '../../../src/domain/model.ts';

const SKU = 'ELEGANT-LAMP';
const batch = (reference: string, quantity: number, eta: string | null = null, sku = SKU) => new Batch(reference, sku, quantity, eta);
const line = (qty: number, orderid = 'order', sku = SKU) => new OrderLine(orderid, sku, qty);
const types = (product: Product) => product.collectEvents().map(({ type }) => type);

describe('allocating a line among batches', () => {
  it('prefers stock that is here to stock that is due', () => {
    const [due, here] = [batch('due', 100, '2027-01-01'), batch('here', 100)];
    expect(allocate(line(10), [due, here])).toBe('here');
    expect([due.availableQuantity, here.availableQuantity]).toEqual([100, 90]);
  });

  it('prefers the earlier of two that are due', () => {
    const batches = [batch('later', 100, '2027-03-01'), batch('earliest', 100, '2026-12-31'), batch('early', 100, '2027-01-01')];
    expect(allocate(line(10), batches)).toBe('earliest');
  });

  it('prefers the first of two that arrive together', () => {
    expect(allocate(line(1), [batch('first', 10), batch('second', 10)])).toBe('first');
    expect(allocate(line(1), [batch('first', 10, '2027-01-01'), batch('second', 10, '2027-01-01')])).toBe('first');
  });

  it('passes over a batch that has too little left, and one of another sku', () => {
    expect(allocate(line(10), [batch('small', 9), batch('other', 100, null, 'OTHER'), batch('enough', 10, '2027-01-01')])).toBe('enough');
  });

  it('fails, naming the sku, when no batch has enough', () => {
    expect(() => allocate(line(10), [batch('small', 9)])).toThrow(new OutOfStockError(SKU));
  });
});

describe('a batch', () => {
  it('takes a line in once', () => {
    const one = batch('one', 20);
    one.allocate(line(2));
    one.allocate(line(2));
    expect(one.availableQuantity).toBe(18);
  });

  it('does not take what does not fit, or is of another sku', () => {
    const one = batch('one', 1);
    one.allocate(line(2));
    one.allocate(line(1, 'order', 'OTHER'));
    expect([...one.lines]).toEqual([]);
  });

  it('lets go of a line only if it has it', () => {
    const one = batch('one', 20);
    one.allocate(line(2));
    one.deallocate(line(3));
    expect(one.availableQuantity).toBe(18);
    one.deallocate(line(2));
    expect(one.availableQuantity).toBe(20);
  });

  it('that shrinks lets the newest lines go, until it fits', () => {
    const one = batch('one', 6);
    for (const orderid of ['a', 'b', 'c']) one.allocate(line(2, orderid));
    expect(one.changeQuantity(3).map(({ orderid }) => orderid)).toEqual(['c', 'b']);
    expect([one.quantity, one.availableQuantity]).toEqual([3, 1]);
  });

  it('refuses to be over-allocated by lines that nobody loaded', () => {
    expect(() => new Batch('one', SKU, 10, null, 10).changeQuantity(5)).toThrow('not loaded');
  });
});

describe('a product', () => {
  it('counts the events about it, from 1, and numbers them', () => {
    const product = new Product(SKU);
    product.addBatch(batch('one', 5));
    product.allocate(line(5));
    product.allocate(line(1, 'another'));
    expect(product.collectEvents().map((event) => 'version' in event && event.version)).toEqual([1, 2, 3]);
    expect(product.version).toBe(3);
  });

  it('finds a line that it has allocated before, also when its batch is full', () => {
    const product = new Product(SKU);
    product.addBatch(batch('full', 5));
    product.addBatch(batch('empty', 5));
    product.allocate(line(5));
    product.allocate(line(5));
    expect(types(product)).toEqual(['BatchCreated', 'BatchCreated', 'Allocated', 'AlreadyAllocated']);
    expect(product.version).toBe(3);
  });

  it('refuses the same line with another qty', () => {
    const product = new Product(SKU, 1, [batch('one', 5)]);
    product.allocate(line(1));
    expect(() => product.allocate(line(2))).toThrow(LineDiffersError);
  });

  it('says of a line that no longer fits that it was let go because its batch shrank', () => {
    const one = batch('one', 5);
    const product = new Product(SKU, 1, [one]);
    product.allocate(line(5));
    product.changeBatchQuantity(one, 4);
    const [, changed, letGo] = product.collectEvents();
    expect(changed).toMatchObject({ type: 'BatchQuantityChanged', quantity: 4, version: 3 });
    expect(letGo).toMatchObject({ type: 'Deallocated', orderid: 'order', because: 'batch-shrank', version: 4 });
  });

  it.each(['__proto__', 'constructor', 'toString', '🪑'])('takes %s for a name like any other', (name) => {
    const product = new Product(name, 0, [new Batch(name, name, 5, null)]);
    product.allocate(new OrderLine(name, name, 2));
    expect(product.collectEvents()).toEqual([{ type: 'Allocated', orderid: name, sku: name, qty: 2, batchref: name, version: 1 }]);
  });
});
