import { describe, expect, it } from 'vitest';
import { plainCommand } from '../../../src/cli/command-arguments.ts';
import { commandVersions } from '../../../src/messages/command-schemas.ts';
import { knownFieldsOf } from '../../../src/messages/known-fields.ts';

describe('the arguments of publish', () => {
  it('become a plain command', () => {
    expect(plainCommand('AllocateOrder', ['orderid=1', 'sku=LAMP', 'qty=2', 'id=cmd-1'])).toEqual({
      type: 'AllocateOrder',
      orderid: '1',
      sku: 'LAMP',
      qty: 2,
      id: 'cmd-1',
    });
  });

  it.each(Object.entries(commandVersions))('take every field of %s', (type, { schema }) => {
    const names = [...(knownFieldsOf(schema)?.keys() ?? [])];
    const command = plainCommand(
      type,
      names.map((name) => `${name}=0`),
    );
    expect(Object.keys(command)).toEqual(['type', ...names]);
  });

  it.each([
    ['ETA=2027-01-31', 'ETA is not a field of CreateBatch; did you mean eta?'],
    [
      'colour=red',
      'colour is not a field of CreateBatch; use one of: reference, sku, quantity, eta, id',
    ],
    ['constructor=1', 'constructor is not a field of CreateBatch; use one of'],
  ])('are refused with the field that was meant: %s', (pair, message) => {
    expect(() => plainCommand('CreateBatch', [pair])).toThrow(message);
  });

  it('are refused with the type that was meant', () => {
    expect(() => plainCommand('createbatch', [])).toThrow('did you mean CreateBatch?');
    expect(() => plainCommand('ShipOrder', [])).toThrow('use one of: CreateBatch, AllocateOrder');
  });
});
