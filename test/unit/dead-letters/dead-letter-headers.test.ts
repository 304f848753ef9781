import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../src/adapters/record-bytes.ts';
import { asDeadLetters } from '../../../src/dead-letters/dead-letter.ts';
import { encodeDeadLetter } from '../../../src/dead-letters/dead-letter-headers.ts';

const MAX_BYTES = 20_000;
const LONG = 1_500;

describe('a letter that is larger than its topic takes', () => {
  const original = {
    topic: 'commands',
    partition: 0,
    offset: 7,
    key: Buffer.from('o'),
    headers: {},
  };
  const command = (padding = 0) =>
    Buffer.from(
      JSON.stringify({ type: 'DeallocateOrder', orderid: 'o', padding: 'x'.repeat(padding) }),
    );
  const many = (name: string) =>
    Array.from({ length: LONG }, (_, index) => `${name}-${index}-of-many`);

  /** @returns what is left of the letter */
  function left({
    value = command(),
    skus = ['LAMP'],
    behind = ['failed'],
    headers = {},
    maxBytes = MAX_BYTES,
  } = {}) {
    const parked = { id: '/shop\t1', skus, behind, position: 2 };
    const why = {
      reason: 'parked-behind' as const,
      message: 'It waits',
      attempts: 0,
      failedAt: '2026-11-27T00:00:00.000Z',
      parked,
    };
    const record = encodeDeadLetter({ ...original, headers, value }, why, maxBytes);
    const place = { topic: 'dead', partition: 0, offset: 0, timestampMs: 0 };
    const inLog = Object.entries(record.headers).map(([name, each]) => [
      name,
      Buffer.from(String(each)),
    ]);
    const [letter] = asDeadLetters([
      { ...place, key: record.key, value: record.value, headers: Object.fromEntries(inLog) },
    ]);
    return { bytes: bytesOf(record), hasValue: record.value !== null, letter, record };
  }

  it('is whole up to the limit, and one byte more cuts it', () => {
    const whole = left({ skus: many('sku'), maxBytes: 1_000_000 });
    expect(whole.letter?.cut).toBeUndefined();
    const fits = (maxBytes: number) =>
      left({ skus: many('sku'), maxBytes }).letter?.cut === undefined;
    let [below, limit] = [0, 1_000_000];
    while (limit - below > 1) {
      const middle = Math.floor((below + limit) / 2);
      if (fits(middle)) limit = middle;
      else below = middle;
    }
    expect(limit).toBeGreaterThanOrEqual(whole.bytes);
    for (const maxBytes of [limit, limit - 1, whole.bytes, whole.bytes - 1])
      expect(left({ skus: many('sku'), maxBytes }).bytes).toBeLessThanOrEqual(maxBytes);
  });

  it('does without its products before it does without its value', () => {
    const { letter, hasValue, bytes } = left({ skus: many('sku') });
    expect(letter).toMatchObject({
      cut: ['skus'],
      behind: ['failed'],
      identity: '/shop\t1',
      position: 2,
    });
    expect(hasValue).toBe(true);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
    expect(letter?.message).toContain('no room for all the products');
  });

  it('does without what it waits for, too', () => {
    const { letter, hasValue, bytes } = left({ skus: many('sku'), behind: many('id') });
    expect(letter).toMatchObject({ cut: ['skus', 'behind'], skus: [], behind: [] });
    expect(hasValue).toBe(true);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('keeps its lists where its value alone is too large', () => {
    const { letter, hasValue } = left({ value: command(MAX_BYTES) });
    expect(letter).toMatchObject({ skus: ['LAMP'], behind: ['failed'] });
    expect(hasValue).toBe(false);
  });

  it('does without everything where nothing fits', () => {
    const { letter, hasValue, bytes } = left({
      value: command(MAX_BYTES),
      skus: many('sku'),
      behind: many('id'),
    });
    expect(letter).toMatchObject({ cut: ['skus', 'behind'], identity: '/shop\t1', position: 2 });
    expect(hasValue).toBe(false);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('counts a header of its sender as often as it came', () => {
    const headers = {
      [`x-${'long'.repeat(10)}`]: Array.from({ length: LONG }, () => Buffer.from('')),
    };
    const { hasValue, bytes } = left({ headers });
    expect(hasValue).toBe(false);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('has room for names that are as long as they may be', () => {
    const name = '\u{20000}'.repeat(255);
    const parked = { id: `${name}\t${name}`, skus: [name], behind: many('id'), position: 2 };
    const why = {
      reason: 'parked-behind' as const,
      message: '\u4e00'.repeat(2_000),
      attempts: 0,
      failedAt: 'now',
      parked,
    };
    const record = encodeDeadLetter(
      { ...original, headers: {}, value: command(MAX_BYTES) },
      why,
      MAX_BYTES,
    );
    expect(bytesOf(record)).toBeLessThanOrEqual(MAX_BYTES);
  });
});
