import { describe, expect, it } from 'vitest';
import {
  CommandSource,
  InvalidCommandError,
  toRecord,
  UnknownKeyError,
  validateCommand,
} from '../src/index.ts';

const shop = new CommandSource('/shop');
const line = { orderid: 'order-1', sku: 'LAMP', qty: 2 };
const lines = [
  { sku: 'LAMP', qty: 2 },
  { sku: 'SOFA', qty: 1 },
];

describe('A command', () => {
  it('is a CloudEvent with the id of its sender', () => {
    const options = { id: 'cmd-1', correlationId: 'session-9', traceparent: 't' };
    expect(shop.allocateOrder(line, options)).toEqual({
      specversion: '1.0',
      id: 'cmd-1',
      source: '/shop',
      type: 'AllocateOrder',
      datacontenttype: 'application/json',
      dataschema: '/allocation/schemas/AllocateOrder/1',
      correlationid: 'session-9',
      traceparent: 't',
      data: line,
    });
  });

  it('gets an id of its own if its sender gives none', () => {
    const [one, other] = [shop.allocateOrder(line), shop.allocateOrder(line)];
    expect(one.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(other.id).not.toBe(one.id);
  });

  it('is refused with each wrong field', () => {
    const make = () => shop.createBatch({ reference: '', sku: 'S', quantity: -1, eta: 'soon' });
    expect(make).toThrow(InvalidCommandError);
    expect(make).toThrow(/^CreateBatch: reference .*; quantity must not be negative; eta must be/);
  });

  it('is refused with an id or a correlation id that the service would refuse', () => {
    expect(() => shop.allocateOrder(line, { id: 'a\nb' })).toThrow(/: id must be 1 to 255/);
    expect(() => shop.allocateOrder(line, { correlationId: '' })).toThrow(/: correlationid must/);
  });

  it.each(['', '/allocation/dead-letters', '/allocation/dead-letters#1'])(
    'is refused from the source "%s"',
    (source) => expect(() => new CommandSource(source)).toThrow(InvalidCommandError),
  );

  it('is refused with a field that does not exist', () => {
    const data = { reference: 'b', sku: 's', quantity: 1, ETA: '2027-01-31' };
    expect(validateCommand('CreateBatch', data)).toEqual([
      { field: 'ETA', message: 'is not a field here; use: reference, sku, quantity, eta' },
    ]);
  });

  it('is refused with an unknown type', () => {
    expect(validateCommand('toString', {})).toMatchObject([{ field: 'type' }]);
  });
});

describe('The record of a command', () => {
  it('is a CloudEvent in binary mode', () => {
    const options = { id: 'cmd-1', correlationId: 'c', traceparent: 't' };
    expect(toRecord(shop.allocateOrder(line, options))).toEqual({
      key: 'LAMP',
      value: JSON.stringify(line),
      headers: {
        'content-type': 'application/json',
        ce_specversion: '1.0',
        ce_id: 'cmd-1',
        ce_source: '/shop',
        ce_type: 'AllocateOrder',
        ce_dataschema: '/allocation/schemas/AllocateOrder/1',
        ce_correlationid: 'c',
        traceparent: 't',
      },
    });
  });

  const batch = shop.createBatch({ reference: 'b', sku: 'LAMP', quantity: 1 });
  const change = shop.changeBatchQuantity({ reference: 'b', quantity: 1 });
  const letGo = shop.deallocateOrder({ orderid: 'order-1' });
  const letLineGo = shop.deallocateOrder({ orderid: 'order-1', sku: 'LAMP' });

  it.each([
    ['of a batch', batch, [], 'LAMP'],
    ['of an order with one line', shop.allocateOrder(line), [], 'LAMP'],
    ['of an order with several lines', shop.allocateOrder({ orderid: 'o', lines }), [], 'o'],
    ['of an order that has further lines', shop.allocateOrder(line), ['LAMP', 'SOFA'], 'order-1'],
    ['of a change of quantity', change, ['LAMP'], 'LAMP'],
    ['that lets an order of one product go', letGo, ['LAMP'], 'LAMP'],
    ['that lets an order of several products go', letGo, ['LAMP', 'SOFA'], 'order-1'],
    ['that lets a line of several go', letLineGo, ['LAMP', 'SOFA'], 'order-1'],
    ['that lets the only line go', letLineGo, ['LAMP'], 'LAMP'],
  ])('%s has the key of the contract', (_, command, skus, key) => {
    expect(toRecord(command, { skus }).key).toBe(key);
  });

  it.each([
    ['a change of quantity', change, []],
    ['a change of quantity, with two products', change, ['LAMP', 'SOFA']],
    ['letting an order go', letGo, []],
    ['letting a line go', letLineGo, []],
  ])('needs the products for %s', (_, command, skus) => {
    expect(() => toRecord(command, { skus })).toThrow(UnknownKeyError);
  });
});
