import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_COMMAND_BYTES, readCommand } from '../../../src/messages/read-command.ts';
import type { UnreadableMessage } from '../../../src/messages/unreadable.ts';
import { badMessages } from '../../support/bad-messages.ts';
import { allocate, binary, order, PLACE, read } from '../../support/order-message.ts';

describe('a command is read', () => {
  it('from plain JSON, with its place as the id if it has none', () => {
    expect(read({ type: 'AllocateOrder', ...order })).toEqual({
      kind: 'command',
      id: PLACE,
      identity: `\t${PLACE}`,
      correlationId: PLACE,
      traceparent: null,
      command: allocate,
    });
    expect(read({ type: 'AllocateOrder', id: 'mine', ...order })).toMatchObject({
      id: 'mine',
      identity: 'mine',
      correlationId: 'mine',
    });
  });

  it('from CloudEvents binary mode, with header values as text or bytes', () => {
    const headers = { ...binary, ce_id: Buffer.from('cmd-1'), ce_correlationid: 'session-9' };
    expect(read(order, headers)).toMatchObject({
      id: 'cmd-1',
      identity: '/shop\tcmd-1',
      correlationId: 'session-9',
      command: allocate,
    });
  });

  it('from structured mode, whatever the case and parameters of its content type', () => {
    const event = {
      specversion: '1.0',
      id: 'cmd-2',
      source: '/shop',
      type: 'AllocateOrder',
      correlationid: 'c',
      data: order,
    };
    const headers = { 'content-type': 'Application/CloudEvents+JSON; charset=utf-8' };
    expect(read(event, headers)).toMatchObject({
      id: 'cmd-2',
      correlationId: 'c',
      command: allocate,
    });
  });

  it('of every type', () => {
    expect(read({ type: 'CreateBatch', reference: 'b', sku: 's', quantity: 0 })).toMatchObject({
      command: { type: 'CreateBatch', reference: 'b', sku: 's', quantity: 0, eta: null },
    });
    expect(read({ type: 'ChangeBatchQuantity', reference: 'b', quantity: 3 })).toMatchObject({
      command: { quantity: 3 },
    });
    expect(read({ type: 'DeallocateOrder', orderid: 'o' })).toMatchObject({
      command: { orderid: 'o', sku: null },
    });
  });

  it('with its trace if that is valid, and without it otherwise', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(read(order, { ...binary, traceparent })).toMatchObject({ traceparent });
    expect(read(order, { ...binary, traceparent: 'nonsense' })).toMatchObject({
      kind: 'command',
      traceparent: null,
    });
  });

  it('up to the largest size, and refused one byte beyond', () => {
    const body = JSON.stringify({ type: 'AllocateOrder', ...order });
    expect(read(body.padEnd(MAX_COMMAND_BYTES))).toMatchObject({ kind: 'command' });
    expect(read(body.padEnd(MAX_COMMAND_BYTES + 1))).toMatchObject({
      kind: 'unreadable',
      reason: 'too-large',
      message: 'The value has 1048577 bytes, but a command has at most 1048576',
    });
  });
});

describe('reading what is not a command', () => {
  it.each(['malformed', 'too-large'] as const)('reports a damaged record as %s', (reason) => {
    const damage = { reason, message: 'The record batch of offsets 1 to 2 cannot be read.' };
    expect(readCommand({ value: null, headers: {}, damage }, PLACE)).toEqual({
      kind: 'unreadable',
      ...damage,
      fields: [],
    });
  });

  it('takes no header of a sender for damage', () => {
    const headers = { 'too-large-record': 'forged', 'unreadable-batch': 'forged' };
    expect(readCommand({ value: null, headers }, PLACE)).toMatchObject({
      reason: 'malformed',
      message: 'The message has no value (a tombstone)',
    });
  });

  it.each(badMessages)('reports %s with the reason', (_, message, reason, word) => {
    const { value = JSON.stringify(message), headers = {} } = message as {
      value?: string | Buffer | null;
      headers?: object;
    };
    const result = readCommand(
      { value: value === null ? null : Buffer.from(value as string), headers: { ...headers } },
      PLACE,
    );
    expect(result).toMatchObject({
      kind: 'unreadable',
      reason,
      message: expect.stringContaining(word),
    });
  });

  it.each([
    [
      'CloudEvents headers without a version',
      order,
      { ce_type: 'AllocateOrder', ce_id: 'x', ce_source: '/s' },
      'malformed',
      'specversion',
    ],
    [
      'another version of CloudEvents',
      order,
      { ...binary, ce_specversion: '0.3' },
      'malformed',
      '0.3',
    ],
    ['a header that comes twice', order, { ...binary, ce_id: ['a', 'b'] }, 'malformed', 'ce_id'],
    [
      'a header that is not UTF-8',
      order,
      { ...binary, ce_id: Buffer.from([0xff]) },
      'malformed',
      'ce_id',
    ],
    [
      'an id with a control character',
      { type: 'AllocateOrder', id: 'a\nb', ...order },
      {},
      'malformed',
      'id',
    ],
    ['an id that is a number', { type: 'AllocateOrder', id: 7, ...order }, {}, 'malformed', 'id'],
    [
      'base64 data',
      { specversion: '1.0', id: 'a', source: 's', type: 'AllocateOrder', data_base64: 'e30=' },
      { 'content-type': 'application/cloudevents+json' },
      'malformed',
      'data_base64',
    ],
    ['an empty AllocateOrder', { type: 'AllocateOrder' }, {}, 'invalid-data', 'orderid'],
    [
      'a CloudEvent whose data is not an object',
      '7',
      binary,
      'invalid-data',
      'data must be a JSON object',
    ],
    ['a megabyte of brackets', '['.repeat(MAX_COMMAND_BYTES), {}, 'malformed', 'JSON'],
    [
      'an order with neither line nor lines',
      { type: 'AllocateOrder', orderid: 'o' },
      {},
      'invalid-data',
      'lines',
    ],
  ])('reports %s with the reason', (_, body, headers, reason, word) => {
    const result = read(body, headers as never);
    expect(result).toMatchObject({ kind: 'unreadable', reason });
    expect((result as { message: string }).message).toContain(word);
  });

  const structured = { 'content-type': 'application/cloudevents+json' };
  it.each<[string, unknown, object, readonly string[]]>([
    [
      'of a binary event',
      order,
      { ...binary, ce_specversion: '2', ce_id: '' },
      ['specversion', 'id'],
    ],
    ['that came twice', order, { ...binary, ce_id: ['a', 'b'] }, ['id']],
    ['that is not UTF-8', order, { ...binary, ce_source: Buffer.from([0xff]) }, ['source']],
    [
      'of a structured event',
      { specversion: '1.0', source: 7, correlationid: '', data: order },
      structured,
      ['id', 'source', 'type', 'correlationid'],
    ],
    ['that is base64', { ...order, data_base64: 'e30=' }, structured, ['data_base64']],
    ['of plain JSON', { type: 'AllocateOrder', id: 7, ...order }, {}, ['id']],
    ['that is an unknown type', { type: 'ShipOrder' }, {}, ['type']],
    ['that is a missing type', order, {}, ['type']],
  ])('names every wrong attribute %s, with a sentence', (_, body, headers, names) => {
    const { fields } = read(body, headers as never) as UnreadableMessage;
    expect(fields.map(({ field }) => field)).toEqual(names);
    for (const { message } of fields) expect(message).toMatch(/^(must|came|is|"ShipOrder" is) /);
  });

  it('names every invalid field', () => {
    const result = read({ type: 'CreateBatch', reference: '', sku: 5, quantity: -1, eta: 'soon' });
    expect(result).toMatchObject({
      fields: [{ field: 'reference' }, { field: 'sku' }, { field: 'quantity' }, { field: 'eta' }],
    });
  });

  it('never throws, whatever the bytes and headers are', () => {
    const header = fc.oneof(
      fc.string(),
      fc.uint8Array().map(Buffer.from),
      fc.array(fc.string(), { maxLength: 2 }),
    );
    const name = fc.constantFrom(
      'ce_id',
      'ce_type',
      'ce_specversion',
      'ce_source',
      'content-type',
      'traceparent',
      '__proto__',
    );
    const field = fc.constantFrom(
      'type',
      'id',
      'orderid',
      'sku',
      'qty',
      'lines',
      'reference',
      'quantity',
      'eta',
      'data',
      '__proto__',
    );
    const type = fc.constantFrom(
      'CreateBatch',
      'AllocateOrder',
      'ChangeBatchQuantity',
      'DeallocateOrder',
      'constructor',
    );
    const almostCommand = fc
      .tuple(
        type,
        fc.dictionary(
          field,
          fc.oneof(fc.jsonValue(), fc.array(fc.dictionary(field, fc.jsonValue()))),
        ),
      )
      .map(([type, fields]) => JSON.stringify({ type, ...fields }));
    const value = fc.oneof(
      fc.uint8Array().map(Buffer.from),
      fc.json().map(Buffer.from),
      almostCommand.map((text) => Buffer.from(text)),
      fc.constant(null),
    );
    fc.assert(
      fc.property(value, fc.dictionary(name, header), (bytes, headers) => {
        expect(['command', 'unreadable']).toContain(
          readCommand({ value: bytes, headers }, PLACE).kind,
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
