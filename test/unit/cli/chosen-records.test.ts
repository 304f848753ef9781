import { describe, expect, it } from 'vitest';
import { asJson, asText, isChosen } from '../../../src/cli/describe-record.ts';
import type { RecordFilter } from '../../../src/cli/record-filter.ts';
import { markerRecord } from '../../../src/dead-letters/markers.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

const place = { topic: 't', partition: 0, offset: 0, timestampMs: 0 };

function record(value: object, headers: ReceivedRecord['headers'] = {}, key = 'k'): ReceivedRecord {
  return { ...place, key: Buffer.from(key), headers, value: Buffer.from(JSON.stringify(value)) };
}

const event = (type: string, data: object) =>
  record(data, { ce_type: type, ce_source: '/allocation' });

const allocated = event('Allocated', { orderid: 'o1', sku: 'LAMP', qty: 1, batchref: 'b' });
const composite = event('CompositeDomainEvent', {
  events: [
    { type: 'Allocated', data: { orderid: 'o1', sku: 'LAMP', qty: 1, batchref: 'b' } },
    { type: 'OutOfStock', data: { orderid: 'o1', sku: 'TABLE', qty: 2 } },
  ],
});
const command = record({ type: 'AllocateOrder', orderid: 'o1', sku: 'LAMP', qty: 1 });
const letter = record(
  { type: 'ChangeBatchQuantity', reference: 'b', quantity: 1 },
  { 'dead-letter-reason': 'handler-failed', 'dead-letter-skus': '["LAMP"]' },
);
const unreadable = record(['?'], { 'dead-letter-reason': 'malformed' }, 'LAMP');

describe('A record', () => {
  it.each<[string, ReceivedRecord, RecordFilter]>([
    ['an event without a filter', allocated, {}],
    ['an event of the type', allocated, { type: 'Allocated' }],
    ['an event about the product and the order', allocated, { sku: 'LAMP', order: 'o1' }],
    ['a composite with such an event', composite, { type: 'OutOfStock', sku: 'TABLE' }],
    ['a composite by its own type', composite, { type: 'CompositeDomainEvent', order: 'o1' }],
    ['a command', command, { type: 'AllocateOrder', sku: 'LAMP', order: 'o1' }],
    ['a letter about a product that its command does not name', letter, { sku: 'LAMP' }],
    ['a letter that nobody can read, by its key', unreadable, { sku: 'LAMP' }],
  ])('is chosen: %s', (_, each, filter) => {
    expect(isChosen(each, filter)).toBe(true);
  });

  it.each<[string, ReceivedRecord, RecordFilter]>([
    ['an event of another type', allocated, { type: 'OutOfStock' }],
    ['an event of another order', allocated, { sku: 'LAMP', order: 'o2' }],
    ['a composite whose events match in part', composite, { type: 'OutOfStock', sku: 'LAMP' }],
    ['a command of another product', command, { sku: 'k' }],
    ['a letter of another order', letter, { sku: 'LAMP', order: 'o1' }],
    [
      'a marker',
      {
        ...place,
        ...markerRecord({ id: 't/0/0', key: null }, 'discarded', 'me', new Date(0)),
        key: null,
        value: null,
      },
      { sku: 'LAMP' },
    ],
  ])('is not chosen: %s', (_, each, filter) => {
    expect(isChosen(each, filter)).toBe(false);
  });

  it('shows only the chosen events of a composite', () => {
    expect(asText(composite, { sku: 'TABLE' })).toMatch(/^\S+ {2}OutOfStock +orderid=o1 sku=TABLE/);
    expect(asText(composite).split('\n')).toHaveLength(2);
  });

  it.each([null, {}, { type: 'Allocated' }])('shows a composite of other things: %j', (part) => {
    const other = event('CompositeDomainEvent', { events: [part] });
    expect(asText(other)).toMatch(/ {2}t\/0\/0 {2}CompositeDomainEvent \{"events":/);
    expect(isChosen(other, { sku: 'LAMP' })).toBe(false);
  });

  it('says what is wrong if it is damaged', () => {
    const damage = { reason: 'malformed', message: 'The record batch cannot be read.' } as const;
    const damaged = { ...place, key: null, value: null, headers: {}, damage };
    expect(asText(damaged)).toMatch(/ {2}t\/0\/0 {2}The record batch cannot be read\.$/);
    expect(asJson(damaged)).toMatchObject({ value: null, damage: damage.message });
  });

  it('shows control characters as escapes', () => {
    const hostile = event('OutOfStock', { orderid: 'o\u202e\u0085', sku: 'LAMP', qty: 1 });
    expect(asText(hostile)).toContain('orderid=o\\u202e\\u0085 sku=LAMP');
  });
});
