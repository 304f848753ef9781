import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

// The page has a TypeScript project of its own, for browsers: here its modules have no types.
const module = new URL('../../../src/page/parts/compare-lines.js', import.meta.url);
const { compareLines } = await import(module.href);

interface Difference {
  readonly sign: string;
  readonly line: string;
}

describe('The difference of two texts', () => {
  it('keeps what both have, and marks the rest', () => {
    const found = compareLines(['{', '"qty": 0', '}'], ['{', '"qty": 2', '}']);
    expect(found.map(({ sign, line }: Difference) => sign + line)).toEqual([
      ' {',
      '−"qty": 0',
      '+"qty": 2',
      ' }',
    ]);
  });

  it('gives back both texts', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 });
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const found: readonly Difference[] = compareLines(before, after);
        const without = (sign: string) =>
          found.filter((each) => each.sign !== sign).map(({ line }) => line);
        expect([without('+'), without('−')]).toEqual([before, after]);
      }),
    );
  });

  it('is not made for very long texts', () => {
    expect(compareLines(Array(1_001).fill('a'), ['a'])).toBeNull();
  });
});
