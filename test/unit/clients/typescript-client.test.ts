import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COMMAND_TYPES as CLIENT_TYPES,
  type CommandEvent,
  CommandSource,
  flatten,
  MAX_LINES,
  parseEvent,
  parseStructuredEvent,
  toRecord,
  validateCommand,
} from '../../../clients/typescript/src/index.ts';
import { COMMAND_TYPES } from '../../../src/domain/command-scopes.ts';
import type { Command } from '../../../src/domain/commands.ts';
import { commandKey } from '../../../src/messages/front-door.ts';
import { readAnswer } from '../../../src/messages/read-answer.ts';
import { readCommand } from '../../../src/messages/read-command.ts';
import { asStructuredEvent } from '../../../src/messages/structured-events.ts';
import { anyCommand } from '../../support/arbitrary-commands.ts';
import type { TextRecord } from '../../support/messages-of-today.ts';

/* The client shares no code with the service. These tests compare both. */

const ENVELOPE = { specversion: '1.0', id: 'cmd-1', source: '/shop' };
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const KNOWN_SKU = 'LAMP';
const shop = new CommandSource('/shop');

const text = fc.oneof(
  fc.constantFrom('LAMP', 'order-1', '', ' ', 'é€😀', 'a\nb', '\ud800', '\u0085', '😀'.repeat(255)),
  fc.constantFrom('😀'.repeat(256), 'x'.repeat(256), '__proto__', 'constructor'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const number = fc.oneof(
  fc.constantFrom(0, 1, -1, -0, 1.5, 2 ** 53 - 1, 2 ** 53, -(2 ** 60), 1e300, Number.NaN),
  fc.integer({ min: 1, max: 9 }),
);
const day = fc.oneof(
  fc.constantFrom('2028-02-29', '2027-02-29', '0000-02-29', '1900-02-29', '2027-1-1', '2027-13-01'),
  fc.constantFrom(
    '2027-04-31',
    '2027-01-00',
    '2027-01-01T00:00:00Z',
    '+2027-01-01',
    '2027-01-01\n',
  ),
);
const anything = fc.oneof(text, number, day, fc.constantFrom(null, true, [], {}));
const likely = (arbitrary: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 6, arbitrary }, { weight: 1, arbitrary: anything });
const extra = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('ETA', 'Sku', 'colour'), anything) },
);
const line = fc
  .tuple(fc.record({ sku: likely(text), qty: likely(number) }, { requiredKeys: [] }), extra)
  .map(([known, more]) => ({ ...known, ...more }));

/** Data of a command that may be right, or wrong in any way. */
const anyData = fc.oneof(
  { weight: 1, arbitrary: anything },
  {
    weight: 12,
    arbitrary: fc
      .tuple(
        fc.record(
          {
            reference: likely(text),
            orderid: likely(text),
            sku: likely(text),
            quantity: likely(number),
            qty: likely(number),
            eta: likely(day),
            lines: likely(fc.array(likely(line), { maxLength: 3 })),
          },
          { requiredKeys: [] },
        ),
        extra,
      )
      .map(([known, more]) => ({ ...known, ...more })),
  },
);

/** The fields of each type. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  CreateBatch: ['reference', 'sku', 'quantity', 'eta'],
  AllocateOrder: ['orderid', 'sku', 'qty', 'lines'],
  ChangeBatchQuantity: ['reference', 'quantity'],
  DeallocateOrder: ['orderid', 'sku'],
};

/** Removes the fields of other types. */
function fitting(type: string, data: unknown): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data;
  const known = [...(FIELDS[type] ?? []), 'ETA', 'Sku', 'colour'];
  return Object.fromEntries(Object.entries(data).filter(([name]) => known.includes(name)));
}

/** The fields that the service refuses over HTTP, sorted. */
function refusedByService(type: string, data: unknown): readonly string[] {
  const value = Buffer.from(JSON.stringify({ ...ENVELOPE, type, data }));
  const read = readCommand({ value, headers: STRUCTURED }, 'place', 'strict');
  return read.kind === 'command' ? [] : sortedSet(read.fields.map(({ field }) => field));
}

const sortedSet = (names: readonly string[]) => [...new Set(names)].toSorted();

describe('The TypeScript client', () => {
  it('knows every type of command', () => {
    expect(CLIENT_TYPES).toEqual(COMMAND_TYPES);
  });

  it('refuses what the service refuses, field by field', () => {
    let validCount = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...COMMAND_TYPES),
        anyData,
        fc.boolean(),
        (type, anyFields, isFitting) => {
          const data = isFitting ? fitting(type, anyFields) : anyFields;
          // JSON has no NaN and no undefined.
          const sent = JSON.parse(JSON.stringify(data));
          const refused = validateCommand(type, sent).map(({ field }) => field);
          const expected = refusedByService(type, sent);
          // The service looks at the order as a whole only if each of its fields has its type.
          if (expected.length > 0 && type === 'AllocateOrder')
            expect(refused).toEqual(expect.arrayContaining([...expected]));
          else expect(sortedSet(refused)).toEqual(expected);
          if (refused.length === 0) {
            validCount += 1;
            expect(expected).toEqual([]);
          }
        },
      ),
      { numRuns: 3_000 },
    );
    expect(validCount).toBeGreaterThan(30);
  });

  it.each([
    ['neither line nor lines', { orderid: 'o' }],
    ['a line and lines', { orderid: 'o', sku: 'a', qty: 1, lines: [{ sku: 'a', qty: 1 }] }],
    ['a sku twice', { orderid: 'o', lines: Array(2).fill({ sku: 'a', qty: 1 }) }],
    [
      'a wrong line',
      {
        orderid: 'o',
        lines: [
          { sku: 'a', qty: 0 },
          { sku: '', qty: 1 },
        ],
      },
    ],
    ['no line', { orderid: 'o', lines: [] }],
    ['a misspelt field of a line', { orderid: 'o', lines: [{ sku: 'a', qty: 1, Qty: 2 }] }],
  ])('refuses an order with %s in the same fields', (_, data) => {
    const refused = validateCommand('AllocateOrder', data).map(({ field }) => field);
    expect(sortedSet(refused)).toEqual(refusedByService('AllocateOrder', data));
    expect(refused).not.toEqual([]);
  });

  it('accepts as many lines as the service', () => {
    const orderOf = (count: number) => ({
      orderid: 'o',
      lines: Array.from({ length: count }, (_, index) => ({ sku: `s-${index}`, qty: 1 })),
    });
    expect(refusedByService('AllocateOrder', orderOf(MAX_LINES))).toEqual([]);
    expect(refusedByService('AllocateOrder', orderOf(MAX_LINES + 1))).toEqual(['lines']);
  });

  it('makes records and HTTP bodies that the service reads as the command that was meant', () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        const event = make(command);
        const { key, value, headers } = toRecord(event, { skus: skusOf(command) });
        const expected = { kind: 'command', id: 'cmd-1', identity: '/shop\tcmd-1', command };
        const meant = { ...expected, correlationId: 'session-9' };
        const record = { value: Buffer.from(value), headers };
        expect(readCommand(record, 'place', 'strict')).toMatchObject(meant);
        const body = { value: Buffer.from(JSON.stringify(event)), headers: STRUCTURED };
        expect(readCommand(body, 'place', 'strict')).toMatchObject(meant);
        expect(key).toBe(namesProduct(command) ? commandKey(command) : KNOWN_SKU);
      }),
    );
  });

  it('reads every event that was ever published, with the data that the service reads', () => {
    const fixture = readFileSync(
      join(import.meta.dirname, '../../fixtures/messages.jsonl'),
      'utf8',
    );
    const records = fixture
      .trimEnd()
      .split('\n')
      .map((each): TextRecord => JSON.parse(each))
      .filter(({ topic }) => topic === 'events');
    expect(records.length).toBeGreaterThan(20);
    for (const { value, headers } of records) {
      const message = { value: Buffer.from(value ?? ''), headers };
      const read = readAnswer(message);
      if (read.kind === 'foreign') throw new Error(read.message);
      const expected = read.events.map(({ id, type, sequence, data }) => ({
        id,
        type,
        sequence,
        data,
      }));
      expect(flatten(parseEvent(message))).toMatchObject(expected);
      expect(flatten(parseStructuredEvent(asStructuredEvent(message)))).toMatchObject(expected);
    }
  });
});

function make(command: Command): CommandEvent {
  const options = { id: 'cmd-1', correlationId: 'session-9' };
  switch (command.type) {
    case 'CreateBatch':
      return shop.createBatch(withoutType(command), options);
    case 'AllocateOrder':
      return shop.allocateOrder(withoutType(command), options);
    case 'ChangeBatchQuantity':
      return shop.changeBatchQuantity(withoutType(command), options);
    case 'DeallocateOrder': {
      const { orderid, sku } = command;
      return shop.deallocateOrder({ orderid, ...(sku !== null && { sku }) }, options);
    }
  }
}

function withoutType<C extends Command>({ type: _, ...data }: C): Omit<C, 'type'> {
  return data;
}

/** Tells whether the service knows the product from the command alone. A sender knows more. */
function namesProduct(command: Command): boolean {
  return 'lines' in command || ('sku' in command && command.sku !== null);
}

/** The products that the sender knows of. A batch or a whole order is about one product. */
function skusOf(command: Command): readonly string[] {
  if (command.type === 'AllocateOrder') return command.lines.map(({ sku }) => sku);
  return 'sku' in command && command.sku !== null ? [command.sku] : [KNOWN_SKU];
}
