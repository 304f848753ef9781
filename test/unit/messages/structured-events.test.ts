import { describe, expect, it } from 'vitest';
import { asStructuredEvent, structuredEventsOf } from '../../../src/messages/structured-events.ts';

const record = (body: unknown, headers: Record<string, string | Buffer> = {}) => ({
  value: body === null ? null : Buffer.from(JSON.stringify(body)),
  headers,
});
const inside = [{ id: 'c/0/1/1' }, { id: 'c/0/1/2' }];

describe('A record as a structured event', () => {
  it('has its attributes as text, and its trace, but no other header', () => {
    const headers = {
      ce_id: Buffer.from('c/0/1'),
      ce_type: 'T',
      traceparent: 't',
      tracestate: 's',
    };
    expect(asStructuredEvent(record({ sku: 'LAMP' }, headers))).toEqual({
      id: 'c/0/1',
      type: 'T',
      traceparent: 't',
      datacontenttype: 'application/json',
      data: { sku: 'LAMP' },
    });
  });

  it('has no data if the record has no value', () => {
    expect(asStructuredEvent(record(null))).toMatchObject({ data: null });
  });

  it('keeps what stands behind the prefix of an attribute', () => {
    expect(asStructuredEvent(record({}, { ce_my_ce_part: 'x' }))).toMatchObject({
      my_ce_part: 'x',
    });
  });
});

describe('The structured events of a record', () => {
  it('are those inside a composite', () => {
    const composite = record({ events: inside }, { ce_type: 'CompositeDomainEvent' });
    expect(structuredEventsOf(composite)).toEqual(inside);
  });

  it.each<[string, unknown, string]>([
    ['that is one event', { sku: 'LAMP' }, 'Allocated'],
    ['of another type, whatever its data', { events: inside }, 'Allocated'],
    ['that is a composite without a list', { events: 7 }, 'CompositeDomainEvent'],
    ['that is a composite without data', null, 'CompositeDomainEvent'],
  ])('are one event for a record %s', (_, body, type) => {
    expect(structuredEventsOf(record(body, { ce_type: type }))).toMatchObject([
      { type, data: body },
    ]);
  });
});
