import { describe, expect, it } from 'vitest';
import { markdownTable, withTables } from '../../../src/contract/markdown.ts';

const page = 'before\n\n<!-- generated: one -->\nold\n<!-- end of generated -->\n\nafter\n';

describe('The tables of a page', () => {
  it('have columns as wide as their longest cell', () => {
    expect(markdownTable(['name', 'é'], [['a', '…, 2']])).toBe(
      '| name | é    |\n| ---- | ---- |\n| a    | …, 2 |',
    );
  });

  it('replace what stands between their markers, and nothing else', () => {
    const updated = withTables(page, new Map([['one', '$& | new |']]));
    expect(updated).toBe(
      'before\n\n<!-- generated: one -->\n\n$& | new |\n\n<!-- end of generated -->\n\nafter\n',
    );
    expect(withTables(updated, new Map([['one', '$& | new |']]))).toBe(updated);
  });

  it('have a marker each', () => {
    const tables = new Map([
      ['one', '|'],
      ['two', '|'],
    ]);
    expect(() => withTables(page, tables)).toThrow('The page has no marker for the table "two"');
  });

  it('belong to every marker', () => {
    expect(() => withTables(page, new Map())).toThrow('There is no table "one"');
  });
});
