import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { invalidData, unknownType } from '../../../src/messages/unreadable.ts';

const issue = (...path: readonly (string | number)[]): z.core.$ZodIssue => ({
  code: 'custom',
  path: [...path],
  message: 'is wrong',
  input: undefined,
});
const issues = (count: number) => Array.from({ length: count }, (_, n) => issue('lines', n));

describe('The refusal of data', () => {
  it('names each wrong field with its path, and then each unknown one', () => {
    const unknown = { path: ['lines', 1, 'QTY'], known: ['sku', 'qty'] };
    expect(invalidData('AllocateOrder', [issue('lines', 0, 'sku')], [unknown])).toEqual({
      kind: 'unreadable',
      reason: 'invalid-data',
      message:
        'AllocateOrder: lines.0.sku is wrong; ' +
        'lines.1.QTY is not a field of AllocateOrder; did you mean qty?',
      fields: [
        { field: 'lines.0.sku', message: 'is wrong' },
        {
          field: 'lines.1.QTY',
          message: 'is not a field of AllocateOrder; did you mean qty?',
        },
      ],
    });
  });

  it('says so if the data is no object', () => {
    expect(invalidData('AllocateOrder', [issue()], []).message).toBe(
      'AllocateOrder: data must be a JSON object',
    );
  });

  it('names 20 fields at most, and counts the others', () => {
    const some = invalidData('T', issues(20), []);
    expect([some.fields.length, some.message.endsWith('lines.19 is wrong')]).toEqual([20, true]);
    const many = invalidData('T', issues(23), []);
    expect([many.fields.length, many.message.endsWith('lines.19 is wrong; and 3 more')]).toEqual([
      20,
      true,
    ]);
  });
});

describe('The refusal of a type', () => {
  it('lists the types if the message has none', () => {
    expect(unknownType(null, ['One', 'Two'])).toEqual({
      kind: 'unreadable',
      reason: 'unknown-type',
      message: 'The message has no type; use one of: One, Two',
      fields: [{ field: 'type', message: 'is required; use one of: One, Two' }],
    });
  });

  it('shows the first 80 characters of a long type', () => {
    const name = 'x'.repeat(80);
    expect(unknownType('x'.repeat(200), ['One'])).toMatchObject({
      message: `Unknown command "${name}"; use one of: One`,
      fields: [{ field: 'type', message: `"${name}" is unknown; use one of: One` }],
    });
  });
});
