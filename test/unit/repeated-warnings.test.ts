import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RepeatedWarnings } from '../../src/repeated-warnings.ts';

const KIND = {
  one: 'order was out of stock',
  many: 'orders were out of stock',
  maxSubjects: 1,
  forgets: true,
  describe: (orderid: string) => ({
    fields: { orderid },
    text: `Out of stock: ${orderid}`,
    name: orderid,
  }),
};

describe('A repeated warning', () => {
  let lines: [object, string][];
  let warnings: RepeatedWarnings;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
    lines = [];
    warnings = new RepeatedWarnings({
      warn: (fields: object, text: string) => void lines.push([fields, text]),
    } as never);
    warnings.start();
  });

  afterEach(() => {
    warnings.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  const texts = () => lines.map(([, text]) => text);

  it('is printed at once, and then once a minute with the number and the last one', () => {
    const counter = warnings.of(KIND);
    for (let number = 1; number <= 38; number += 1) counter.warn(`order-${number}`);
    expect(lines).toEqual([[{ orderid: 'order-1' }, 'Out of stock: order-1']]);
    vi.advanceTimersByTime(59_000);
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(1_000);
    expect(lines.slice(1)).toEqual([
      [
        { orderid: 'order-38', count: 37 },
        '37 more orders were out of stock in the last 60 s, the last: order-38',
      ],
    ]);
    vi.advanceTimersByTime(50_000);
    counter.warn('order-39');
    vi.advanceTimersByTime(10_000);
    expect(texts().slice(2)).toEqual([
      '1 more order was out of stock in the last 60 s, the last: order-39',
    ]);
  });

  it('is printed at once again after a minute without one', () => {
    const counter = warnings.of(KIND);
    counter.warn('order-1');
    vi.advanceTimersByTime(61_000);
    counter.warn('order-2');
    counter.warn('order-3');
    vi.advanceTimersByTime(60_000);
    counter.warn('order-4');
    expect(texts()).toEqual([
      'Out of stock: order-1',
      'Out of stock: order-2',
      '1 more order was out of stock in the last 60 s, the last: order-3',
    ]);
  });

  it('has a line for each subject, up to the limit, and one number for all of them', () => {
    const counter = warnings.of({ ...KIND, subjectOf: (orderid) => orderid, maxSubjects: 2 });
    for (const orderid of ['a', 'b', 'a', 'c', 'b']) counter.warn(orderid);
    vi.advanceTimersByTime(60_000);
    expect(texts()).toEqual([
      'Out of stock: a',
      'Out of stock: b',
      '3 more orders were out of stock in the last 60 s, the last: b',
    ]);
  });

  it('never has a second line of its own if its kind forgets nothing', () => {
    const counter = warnings.of({ ...KIND, forgets: false, hint: 'A metric counts them' });
    counter.warn('a');
    vi.advanceTimersByTime(300_000);
    counter.warn('b');
    vi.advanceTimersByTime(60_000);
    expect(texts()).toEqual([
      'Out of stock: a',
      '1 more order was out of stock in the last 60 s, the last: b. A metric counts them',
    ]);
  });

  it('counts several that happened at one moment, and prints the number at the close', () => {
    const counter = warnings.of(KIND);
    counter.warn('a', 3);
    vi.advanceTimersByTime(12_000);
    warnings.close();
    warnings.close();
    expect(texts()).toEqual([
      'Out of stock: a',
      '2 more orders were out of stock in the last 12 s, the last: a',
    ]);
  });
});
