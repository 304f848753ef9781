import { describe, expect, it } from 'vitest';

// The page has a TypeScript project of its own, for browsers: here its modules have no types.
const module = new URL('../../../src/page/parts/event-facts.js', import.meta.url);
const { asCsv, factsOf, isAbout } = await import(module.href);

const event = (type: string, data: object, over: object = {}) => ({
  id: 'allocation.commands/0/7',
  type,
  time: '2026-11-28T09:00:00.000Z',
  sequence: '3',
  data,
  ...over,
});
const allocated = event('Allocated', { orderid: 'o1', sku: 'LAMP', qty: 2, batchref: 'b1' });
const rejected = event('CommandRejected', { reason: 'unknown-batch', detail: 'no "b9"' });
const composite = event('CompositeDomainEvent', { events: [allocated, rejected] });

describe('The CSV of events', () => {
  it('has one line for each event, also for those inside a composite', () => {
    const [head, first, ...rest] = asCsv([composite]).split('\r\n');
    expect(head).toBe('"time","type","id","sku","orderid","qty","batchref","sequence","data"');
    expect(first).toMatch(/^"2026-11-28T09:00:00.000Z","Allocated",.*,"LAMP","o1","2","b1","3",/);
    expect(rest).toHaveLength(2);
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1'])(
    'keeps a spreadsheet from running %j',
    (sku) => {
      expect(asCsv([event('OutOfStock', { sku })])).toContain(`,"'${sku}",`);
    },
  );

  it('doubles quotes', () => {
    expect(asCsv([event('OutOfStock', { sku: 'a "b"' })])).toContain(',"a ""b""",');
  });
});

describe('The filter of events', () => {
  it.each([
    [{}, true],
    [{ sku: 'LAMP', orderid: 'o1' }, true],
    [{ sku: 'LAMP', orderid: 'o2' }, false],
    [{ type: 'Allocated' }, true],
    [{ type: 'CompositeDomainEvent' }, true],
    [{ type: 'OutOfStock' }, false],
  ])('%j looks into a composite', (filter, isChosen) => {
    expect(isAbout(composite, filter)).toBe(isChosen);
  });
});

describe('What the page says of an event', () => {
  it.each([
    [allocated, '2 pieces, from batch b1'],
    [rejected, 'unknown-batch: no "b9"'],
    [composite, 'Allocated, CommandRejected'],
    [event('BatchCreated', { reference: 'b1', quantity: 9, eta: null }), 'batch b1, quantity 9'],
  ])('%#', (each, words) => {
    expect(factsOf(each)).toBe(words);
  });
});
