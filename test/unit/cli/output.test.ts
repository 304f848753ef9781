import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeSkus, print, printJson, printTable } from '../../../src/cli/output.ts';

describe('What the command line prints', () => {
  let printed: string;

  beforeEach(() => {
    printed = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text;
      return true;
    });
  });
  afterEach(() => vi.restoreAllMocks());

  it('has escapes instead of control characters', () => {
    print('a\u202eb\u001b[2J\nc');
    expect(printed).toBe('a\\u202eb\\u001b[2J\nc\n');
  });

  it('is JSON with the same strings, whatever their characters are', () => {
    const value = { text: 'a\u202e\u0085\u001b\\\n' };
    printJson(value);
    expect(printed).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(printed)).toEqual(value);
  });

  it('is a table whose cells stay in one line', () => {
    printTable(['ID', 'TEXT'], [['1\n', 'b\u2066']]);
    expect(printed).toBe('ID       TEXT\n1\\u000a  b\\u2066\n');
  });
});

it('a cell names three products and counts the rest', () => {
  expect(describeSkus([])).toBe('-');
  expect(describeSkus(['A', 'B', 'C'])).toBe('A, B, C');
  expect(describeSkus(['A', 'B', 'C', 'D', 'E'])).toBe('A, B, C and 2 more');
});
