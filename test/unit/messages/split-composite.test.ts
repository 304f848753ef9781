import { describe, expect, it } from 'vitest';
import { MAX_COMPOSITE_BYTES, splitComposite } from '../../../src/messages/split-composite.ts';

/** What a record batch adds to a record, at most. */
const OVERHEAD_BYTES = 512;
/** A text takes one byte more than its own, for the comma. */
const ten = 'x'.repeat(9);

/** Splits texts for messages with so much room. */
const split = (texts: readonly string[], roomBytes: number) =>
  splitComposite(texts, roomBytes + OVERHEAD_BYTES);

describe('A composite', () => {
  it('is divided where the next event has no room', () => {
    expect(split([ten, ten, ten], 20)).toEqual([[ten, ten], [ten]]);
    expect(split([ten, ten, ten], 19)).toEqual([[ten], [ten], [ten]]);
    expect(split([ten, ten, ten], 30)).toEqual([[ten, ten, ten]]);
  });

  it('is measured in bytes of UTF-8', () => {
    expect(split(['é'.repeat(9), 'x'], 20)).toEqual([['é'.repeat(9)], ['x']]);
  });

  it('has a part for each event that is larger than a message', () => {
    expect(split([ten, ten], 5)).toEqual([[ten], [ten]]);
    expect(split([ten, ten], -100)).toEqual([[ten], [ten]]);
  });

  it('is divided at 900,000 bytes, whatever the topic takes', () => {
    const half = 'x'.repeat(MAX_COMPOSITE_BYTES / 2 - 1);
    expect(splitComposite([half, half], Number.POSITIVE_INFINITY)).toHaveLength(1);
    expect(splitComposite([half, `${half}x`], Number.POSITIVE_INFINITY)).toHaveLength(2);
  });
});
