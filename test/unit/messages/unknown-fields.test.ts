import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandVersions } from '../../../src/messages/command-schemas.ts';
import { knownFieldsOf, pathText } from '../../../src/messages/known-fields.ts';
import { readCommand } from '../../../src/messages/read-command.ts';
import { anyCommand } from '../../support/arbitrary-commands.ts';

const PLACE = 'allocation.commands/0/7';
const binary = {
  ce_specversion: '1.0',
  ce_id: 'cmd-1',
  ce_source: '/shop',
  ce_type: 'CreateBatch',
};
const batch = { reference: 'b', sku: 'S', quantity: 5 };

type Json = Record<string, unknown>;
/** Gives a test every property of an object. */
const asJson = (object: object) => object as Json;

type Headers = Readonly<Record<string, string>>;
const read = (body: unknown, headers: Headers = {}, strictness?: 'strict' | 'lenient') =>
  readCommand({ value: Buffer.from(JSON.stringify(body)), headers }, PLACE, strictness);
const readStrictly = (body: unknown, headers: Headers = {}) => read(body, headers, 'strict');

describe('an unknown field of a command', () => {
  it('is ignored by a lenient read, which names it', () => {
    const { unknownFields, ...known } = asJson(read({ type: 'CreateBatch', ...batch, ETA: 'x' }));
    expect(known).toEqual(read({ type: 'CreateBatch', ...batch }));
    expect(unknownFields).toMatchObject([{ path: ['ETA'] }]);
  });

  it('is refused by a strict read, with the nearest field', () => {
    expect(readStrictly({ type: 'CreateBatch', ...batch, ETA: '2027-01-31' })).toEqual({
      kind: 'unreadable',
      reason: 'invalid-data',
      message: 'CreateBatch: ETA is not a field of CreateBatch; did you mean eta?',
      fields: [{ field: 'ETA', message: 'is not a field of CreateBatch; did you mean eta?' }],
    });
  });

  it('is refused with all fields if none is near', () => {
    expect(readStrictly(batch, binary)).toMatchObject({ kind: 'command' });
    expect(readStrictly({ ...batch, colour: 'red' }, binary)).toMatchObject({
      fields: [
        {
          field: 'colour',
          message: 'is not a field of CreateBatch; use one of: reference, sku, quantity, eta',
        },
      ],
    });
  });

  it('is refused inside a line, with its path', () => {
    const lines = [
      { sku: 'S', qty: 1 },
      { sku: 'T', qty: 1, QTY: 2 },
    ];
    expect(readStrictly({ type: 'AllocateOrder', orderid: 'o', lines })).toMatchObject({
      fields: [
        { field: 'lines.1.QTY', message: 'is not a field of AllocateOrder; did you mean qty?' },
      ],
    });
  });

  it('is named beside the field that it should have been', () => {
    expect(
      readStrictly({ type: 'CreateBatch', reference: 'b', SKU: 'S', quantity: 5 }),
    ).toMatchObject({
      fields: [
        { field: 'sku', message: 'is required' },
        { field: 'SKU', message: 'is not a field of CreateBatch; did you mean sku?' },
      ],
    });
  });

  it('may be an extension attribute of a CloudEvent, but not of its data', () => {
    const event = {
      specversion: '1.0',
      id: 'cmd-1',
      source: '/shop',
      type: 'CreateBatch',
      extra: 'free',
      data: batch,
    };
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect(readStrictly(event, headers)).toMatchObject({ kind: 'command' });
    expect(readStrictly(batch, { ...binary, ce_extra: 'free' })).toMatchObject({ kind: 'command' });
    expect(readStrictly({ ...event, data: { ...batch, id: 'x' } }, headers)).toMatchObject({
      fields: [{ field: 'id' }],
    });
  });

  it('is no attribute that a redriven plain message has in its value', () => {
    const redriven = { ...binary, ce_source: '/allocation/dead-letters', ce_id: 'c/0/1' };
    const plain = { type: 'CreateBatch', id: 'mine', dataschema: 'urn:mine', ...batch };
    expect(readStrictly(plain, redriven)).toMatchObject({ kind: 'command' });
    expect(readStrictly(plain, binary)).toMatchObject({ kind: 'unreadable' });
  });

  it('is named only 20 times, whatever the message holds', () => {
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field${n}`, 1]));
    const { unknownFields } = asJson(read({ type: 'CreateBatch', ...many, ...batch }));
    expect(unknownFields).toHaveLength(20);
    expect(readStrictly({ type: 'CreateBatch', ...many, ...batch })).toMatchObject({
      fields: Array(20).fill({ field: expect.stringContaining('field') }),
    });
  });

  it('is cut, and shown without control characters', () => {
    const name = `line\n${'x'.repeat(100_000)}`;
    const refusal = readStrictly({ type: 'CreateBatch', ...batch, [name]: 1 });
    expect(refusal).toMatchObject({ fields: [{ field: `line\\n${'x'.repeat(75)}` }] });
    expect((refusal as { message: string }).message).not.toContain('\n');
    expect(pathText(['lines', 3, 'a"b\u0000'])).toBe('lines.3.a\\"b\\u0000');
  });

  it.each([
    ['abc', 'lines', 'must be an array of lines'],
    [['abc'], 'lines.0', 'must be an object with sku and qty'],
    [[['a']], 'lines.0', 'must be an object with sku and qty'],
    [[null], 'lines.0', 'must be an object with sku and qty'],
  ])('is not looked for in %o, which is no line', (lines, field, message) => {
    const known = { type: 'AllocateOrder', orderid: 'o', lines };
    expect(readStrictly(known)).toMatchObject({ fields: [{ field, message }] });
  });

  it('is named beside a line that is no object, and not inside that line', () => {
    const order = { type: 'AllocateOrder', orderid: 'o', lines: ['abc'], note: 1 };
    expect(readStrictly(order)).toMatchObject({
      fields: [
        { field: 'lines.0', message: 'must be an object with sku and qty' },
        { field: 'note', message: expect.stringContaining('is not a field of AllocateOrder') },
      ],
    });
  });

  it('is not looked for deeper than the schema goes', () => {
    const deep = `${'['.repeat(300_000)}${']'.repeat(300_000)}`;
    const text = (lines: string) => `{"type":"AllocateOrder","orderid":"o","lines":${lines}}`;
    for (const lines of [deep, `[{"sku":"S","qty":1,"note":${deep}}]`]) {
      const value = Buffer.from(text(lines));
      expect(readCommand({ value, headers: {} }, PLACE, 'strict').kind).toBe('unreadable');
    }
  });
});

describe('the fields of each command', () => {
  it.each(Object.entries(commandVersions))('come from the schema of %s', (_, { schema }) => {
    expect(knownFieldsOf(schema)?.size).toBeGreaterThan(0);
  });

  it('include those of the lines', () => {
    const lines = knownFieldsOf(commandVersions.AllocateOrder.schema)?.get('lines');
    expect([...(lines?.keys() ?? [])]).toEqual(['sku', 'qty']);
  });
});

describe('an unknown type', () => {
  it.each([
    ['createbatch', 'Unknown command "createbatch"; did you mean CreateBatch?'],
    ['AllocateOrders', 'Unknown command "AllocateOrders"; did you mean AllocateOrder?'],
    ['ShipOrder', /^Unknown command "ShipOrder"; use one of: CreateBatch, AllocateOrder, /],
  ])('%s is refused with the type that was meant', (type, message) => {
    expect(read({ type })).toMatchObject({
      reason: 'unknown-type',
      message: expect.stringMatching(message),
    });
  });
});

type Path = readonly (string | number)[];

/** The fields of the command, and of its lines. */
function pathsIn(value: unknown, path: Path = []): readonly Path[] {
  if (Array.isArray(value)) return value.flatMap((each, index) => pathsIn(each, [...path, index]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inside]) => [
    [...path, name],
    ...(name === 'lines' ? pathsIn(inside, [...path, name]) : []),
  ]);
}

function withValueAt(value: unknown, [first, ...rest]: Path, put: unknown): unknown {
  if (first === undefined) return put;
  if (Array.isArray(value))
    return value.map((each, index) => (index === first ? withValueAt(each, rest, put) : each));
  const object = value as Json;
  return { ...object, [first]: withValueAt(object[first], rest, put) };
}

/** No field that is read takes all of these values and leaves the command as it is. */
const SPOILERS = [{ spoiled: [true] }, '/allocation/schemas/Spoiled/9', -1];

/** A read drops a field if its value makes no difference. */
function isDropped(body: Json, headers: Headers, path: Path): boolean {
  const as = (value: unknown) => {
    const { unknownFields: _, ...rest } = asJson(read(withValueAt(body, path, value), headers));
    return JSON.stringify(rest);
  };
  const before = as(path.reduce<unknown>((value, name) => (value as Json)[name], body));
  return SPOILERS.every((spoiler) => as(spoiler) === before);
}

const name = fc.oneof(
  fc.constantFrom('sku', 'qty', 'eta', 'quantity', 'reference', 'orderid', 'lines', 'id', 'type'),
  fc.constantFrom('dataschema', 'ETA', 'note', 'source', 'toString', 'constructor'),
  fc.string({ maxLength: 5 }).filter((each) => each !== '__proto__'),
);
const extra = fc.dictionary(name, fc.constantFrom<unknown>(1, 'x', null, [], [{ sku: 7 }], {}), {
  maxKeys: 2,
  noNullPrototype: true,
});
const plainOrNot = fc.constantFrom('plain', 'binary', 'redriven');

it('a strict read refuses exactly the commands of which a lenient read drops a field', () => {
  const outcomes = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(anyCommand, extra, extra, plainOrNot, (command, more, moreOfLine, form) => {
      const { type, ...data } = asJson(command) as Json & { type: string };
      const lines = (data.lines as Json[] | undefined)?.map((line, index) =>
        index === 0 ? { ...moreOfLine, ...line } : line,
      );
      if (data.sku === null) delete data.sku;
      const body = { ...more, ...data, ...(lines && { lines }) };
      const isPlain = form === 'plain';
      const source = form === 'redriven' ? '/allocation/dead-letters' : '/shop';
      const headers = isPlain ? {} : { ...binary, ce_type: type, ce_source: source };
      const sent = isPlain ? { ...body, type } : body;
      const lenient = read(sent, headers);
      const strict = readStrictly(sent, headers);
      if (lenient.kind === 'unreadable') {
        expect(strict.kind).toBe('unreadable');
        return;
      }
      const own = form === 'redriven' ? ['type', 'id', 'dataschema'] : [];
      const dropped = pathsIn(sent).filter(
        (path) => isDropped(sent, headers, path) && !own.includes(String(path[0])),
      );
      expect(strict.kind, JSON.stringify({ sent, dropped })).toBe(
        dropped.length > 0 ? 'unreadable' : 'command',
      );
      outcomes[dropped.length > 0 ? 'refused' : 'accepted'] += 1;
    }),
    { numRuns: 1_000 },
  );
  expect(outcomes.accepted).toBeGreaterThan(50);
  expect(outcomes.refused).toBeGreaterThan(50);
});
