import { describe, expect, it } from 'vitest';
import { describeSkus, print, printJson, printTable } from '../../../src/cli/output.ts';
import { capturePrinted } from '../../support/printed-output.ts';

describe('What the command line prints', () => {
  const printed = capturePrinted();

  it('has escapes instead of control characters', () => {
    print('a\u202eb\u001b[2J\nc');
    expect(printed.text).toBe('a\\u202eb\\u001b[2J\nc\n');
  });

  it('is JSON with the same strings, whatever their characters are', () => {
    const value = { text: 'a\u202e\u0085\u001b\\\n' };
    printJson(value);
    expect(printed.text).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(printed.text)).toEqual(value);
  });

  it('is a table whose cells stay in one line', () => {
    printTable(['ID', 'TEXT'], [['1\n', 'b\u2066']]);
    expect(printed.text).toBe('ID       TEXT\n1\\u000a  b\\u2066\n');
  });
});

it('a cell names three products and counts the rest', () => {
  expect(describeSkus([])).toBe('-');
  expect(describeSkus(['A', 'B', 'C'])).toBe('A, B, C');
  expect(describeSkus(['A', 'B', 'C', 'D', 'E'])).toBe('A, B, C and 2 more');
});
