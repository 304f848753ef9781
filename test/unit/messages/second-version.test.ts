import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { asyncApiDocument } from '../../../src/contract/asyncapi.ts';
import { messageSchemas } from '../../../src/contract/json-schemas.ts';
import { commandVersions } from '../../../src/messages/command-schemas.ts';
import { eventVersions } from '../../../src/messages/event-versions.ts';
import { readAnswer } from '../../../src/messages/read-answer.ts';
import { readCommand } from '../../../src/messages/read-command.ts';

const tables = [eventVersions.OutOfStock, commandVersions.DeallocateOrder];
const originals = tables.map((table) => ({ former: undefined, ...table }));

/** Gives two types an older version with other field names, in this file only. */
beforeAll(() => {
  Object.assign(eventVersions.OutOfStock, {
    current: 2,
    upcasters: { 1: ({ amount, ...rest }: { amount: number }) => ({ ...rest, qty: amount }) },
    former: { 1: z.object({ amount: z.int() }) },
  });
  Object.assign(commandVersions.DeallocateOrder, {
    current: 2,
    upcasters: { 1: ({ order }: { order: string }) => ({ orderid: order }) },
    former: { 1: z.object({ order: z.string() }) },
  });
});

afterAll(() => {
  for (const [index, table] of tables.entries()) Object.assign(table, originals[index]);
});

const bytes = (data: object) => Buffer.from(JSON.stringify(data));

describe('with a second version', () => {
  const headers = {
    ce_id: 'c/0/1',
    ce_source: '/allocation',
    ce_type: 'OutOfStock',
    ce_causationid: 'c',
    ce_time: '2026-11-23T12:00:00Z',
    ce_sequence: '1',
  };
  const schema = (version: number) => `/allocation/schemas/OutOfStock/${version}`;
  const first = { orderid: 'o', sku: 'S', amount: 2 };
  const second = { orderid: 'o', sku: 'S', qty: 2 };

  it.each([
    ['an unnamed version', undefined, first],
    ['the first version', schema(1), first],
    ['the second version', schema(2), second],
  ])('an event of %s is read in its newest form', (_, ce_dataschema, data) => {
    expect(
      readAnswer({ value: bytes(data), headers: { ...headers, ce_dataschema } }),
    ).toMatchObject({ events: [{ data: second }] });
  });

  it('an event inside a composite is read in its newest form', () => {
    const inside = { source: '/allocation', type: 'OutOfStock', sequence: '1' };
    const events = [
      { ...inside, id: 'c/0/1/1', dataschema: schema(1), data: first },
      { ...inside, id: 'c/0/1/2', dataschema: schema(2), data: second },
    ];
    const read = readAnswer({
      value: bytes({ events }),
      headers: { ...headers, ce_type: 'CompositeDomainEvent' },
    });
    expect(read).toMatchObject({ events: [{ data: second }, { data: second }] });
  });

  it.each([
    ['an unnamed version', undefined, { order: 'o' }],
    ['the first version', '/allocation/schemas/DeallocateOrder/1', { order: 'o' }],
    ['the second version', '/allocation/schemas/DeallocateOrder/2', { orderid: 'o' }],
  ])('a command of %s is read in its newest form', (_, dataschema, data) => {
    const read = readCommand(
      { value: bytes({ type: 'DeallocateOrder', dataschema, ...data }), headers: {} },
      'here',
    );
    expect(read).toMatchObject({
      kind: 'command',
      command: { type: 'DeallocateOrder', orderid: 'o', sku: null },
    });
  });

  it.each(['OutOfStock', 'DeallocateOrder'])('the contract describes both of %s', (type) => {
    const versions = messageSchemas().filter((each) => each.type === type);
    expect(versions.map(({ version, isNewest }) => [version, isNewest])).toEqual([
      [1, false],
      [2, true],
    ]);
    const { messages } = asyncApiDocument('1.0.0').components;
    expect(messages[`${type}.v1`]?.examples).toEqual([]);
    expect(messages[`${type}.v2`]?.examples).not.toEqual([]);
  });
});
