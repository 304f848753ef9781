import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../src/adapters/record-bytes.ts';
import { encodeDeadLetter } from '../../../src/dead-letters/encode-dead-letter.ts';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';

const MAX_BYTES = 20_000;
const LONG = 1_500;

describe('a dead letter that is too large for its topic', () => {
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

  /** Encodes a dead letter within `maxBytes`. @returns the record, and what is read from it */
  function roundTrip({
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

  it('is complete at the limit, and stays within a limit one byte lower', () => {
    const whole = roundTrip({ skus: many('sku'), maxBytes: 1_000_000 });
    expect(whole.letter?.cut).toBeUndefined();
    const fits = (maxBytes: number) =>
      roundTrip({ skus: many('sku'), maxBytes }).letter?.cut === undefined;
    let [below, limit] = [0, 1_000_000];
    while (limit - below > 1) {
      const middle = Math.floor((below + limit) / 2);
      if (fits(middle)) limit = middle;
      else below = middle;
    }
    expect(limit).toBeGreaterThanOrEqual(whole.bytes);
    for (const maxBytes of [limit, limit - 1, whole.bytes, whole.bytes - 1])
      expect(roundTrip({ skus: many('sku'), maxBytes }).bytes).toBeLessThanOrEqual(maxBytes);
  });

  it('drops its products before its value', () => {
    const { letter, hasValue, bytes } = roundTrip({ skus: many('sku') });
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

  it('drops the commands it waits for if dropping its products is not enough', () => {
    const { letter, hasValue, bytes } = roundTrip({ skus: many('sku'), behind: many('id') });
    expect(letter).toMatchObject({ cut: ['skus', 'behind'], skus: [], behind: [] });
    expect(hasValue).toBe(true);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('drops only its value if the value alone is too large', () => {
    const { letter, hasValue } = roundTrip({ value: command(MAX_BYTES) });
    expect(letter).toMatchObject({ skus: ['LAMP'], behind: ['failed'] });
    expect(hasValue).toBe(false);
  });

  it('drops its value and both lists if nothing fits', () => {
    const { letter, hasValue, bytes } = roundTrip({
      value: command(MAX_BYTES),
      skus: many('sku'),
      behind: many('id'),
    });
    expect(letter).toMatchObject({ cut: ['skus', 'behind'], identity: '/shop\t1', position: 2 });
    expect(hasValue).toBe(false);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('counts every occurrence of a repeated header', () => {
    const headers = {
      [`x-${'long'.repeat(10)}`]: Array.from({ length: LONG }, () => Buffer.from('')),
    };
    const { hasValue, bytes } = roundTrip({ headers });
    expect(hasValue).toBe(false);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('fits with names of the greatest length', () => {
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
