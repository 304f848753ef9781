import { describe, expect, it } from 'vitest';
import { readCommand } from '../../../src/messages/read-command.ts';

const line = { sku: 'LAMP', qty: 1 };
const ALL_OR_LINES = 'is required, unless the order has lines';
const NAME = 'must be 1 to 255 characters without control characters';
const WHOLE = 'must be a whole number, at most 2^53 - 1';
const DATE = 'must be a date that exists, YYYY-MM-DD, or null';

/** Returns what is wrong with the fields of a command: `<field> <message>`. */
function faultsOf(command: object): readonly string[] {
  const read = readCommand({ value: Buffer.from(JSON.stringify(command)), headers: {} }, 'c/0/1');
  if (read.kind === 'command') return [];
  return read.fields.map(({ field, message }) => `${field} ${message}`);
}

describe('The lines of an order', () => {
  it.each<[string, object, readonly string[]]>([
    ['one line', line, []],
    ['several lines', { lines: [line, { sku: 'SOFA', qty: 1 }] }, []],
    [
      'the most lines',
      { lines: Array.from({ length: 500 }, (_, n) => ({ ...line, sku: `${n}` })) },
      [],
    ],
    ['no line', {}, [`sku ${ALL_OR_LINES}`, `qty ${ALL_OR_LINES}`]],
    ['a line without a qty', { sku: 'LAMP' }, [`qty ${ALL_OR_LINES}`]],
    ['a line without an sku', { qty: 1 }, [`sku ${ALL_OR_LINES}`]],
    [
      'lines and an sku',
      { lines: [line], sku: 'LAMP' },
      ['sku must be absent together with lines'],
    ],
    ['lines and a qty', { lines: [line], qty: 1 }, ['qty must be absent together with lines']],
    ['an sku twice', { lines: [line, line] }, ['lines.1.sku is in the order twice']],
    ['an empty list', { lines: [] }, ['lines must have at least one line']],
    ['no list', { lines: 7 }, ['lines must be an array of lines']],
    ['no object', { lines: [7] }, ['lines.0 must be an object with sku and qty']],
    [
      'more than 500 lines',
      { lines: Array.from({ length: 501 }, (_, n) => ({ ...line, sku: `${n}` })) },
      ['lines must have at most 500 lines'],
    ],
  ])('may be wrong in one way: %s', (_, lines, faults) => {
    expect(faultsOf({ type: 'AllocateOrder', orderid: 'o', ...lines })).toEqual(faults);
  });
});

describe('A field of a batch', () => {
  const batch = { type: 'CreateBatch', reference: 'b', sku: 'LAMP', quantity: 5, eta: null };

  it.each<[object, readonly string[]]>([
    [{}, []],
    [{ quantity: 0, eta: '2028-02-29' }, []],
    [{ reference: undefined }, ['reference is required']],
    [{ reference: 5 }, ['reference must be a string']],
    [{ reference: '' }, [`reference ${NAME}`]],
    [{ sku: 'a\u0000' }, [`sku ${NAME}`]],
    [{ quantity: undefined }, ['quantity is required']],
    [{ quantity: 1.5 }, [`quantity ${WHOLE}`]],
    [{ quantity: 2 ** 53 }, [`quantity ${WHOLE}`]],
    [{ quantity: '5' }, [`quantity ${WHOLE}`]],
    [{ quantity: -1 }, ['quantity must not be negative']],
    [{ eta: '2027-02-29' }, [`eta ${DATE}`]],
    [{ eta: 7 }, [`eta ${DATE}`]],
  ])('with %o is named with what it must be', (changes, faults) => {
    expect(faultsOf({ ...batch, ...changes })).toEqual(faults);
  });

  it('has at least 1 as the qty of an order', () => {
    expect(faultsOf({ type: 'AllocateOrder', orderid: 'o', ...line, qty: 0 })).toEqual([
      'qty must be at least 1',
    ]);
  });
});
