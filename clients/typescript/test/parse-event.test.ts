import { describe, expect, it } from 'vitest';
import { type AllocationEvent, eventsOf, parseEvent, parseStructuredEvent } from '../src/index.ts';
import { allocated, composite, FORMS, line, type TextRecord } from './records.ts';

const changed = (record: TextRecord, headers: Record<string, string>): TextRecord => ({
  ...record,
  headers: { ...record.headers, ...headers },
});

describe.each(Object.entries(FORMS))('A record of %s', (_, form) => {
  it('is read as an event', () => {
    expect(parseEvent(form(allocated(7)))).toEqual({
      type: 'Allocated',
      id: 'allocation.commands/0/LAMP-7',
      source: '/allocation',
      subject: 'LAMP',
      time: '2026-11-26T12:00:00.000Z',
      version: 1,
      sku: 'LAMP',
      sequence: 7,
      causationId: 'cmd-7',
      causationSource: '/shop',
      correlationId: 'session-7',
      traceparent: null,
      isReplay: false,
      data: { ...line, batchref: 'batch-1' },
    });
  });

  it('is read as a composite, which has its events in their order', () => {
    const event = parseEvent(form(composite()));
    expect(event).toMatchObject({ type: 'CompositeDomainEvent', subject: 'order-1' });
    expect(eventsOf(form(composite()))).toMatchObject([
      { type: 'Allocated', id: 'allocation.commands/0/9/1', sequence: 7, sku: 'LAMP' },
      { type: 'CommandRejected', id: 'allocation.commands/0/9/2', sequence: null, sku: 'X' },
    ]);
  });

  it('is known as a copy by its header, with all events of a composite', () => {
    const copies = [allocated(7), composite()].map((each) => changed(each, { ce_replay: 'true' }));
    expect(copies.flatMap((copy) => eventsOf(form(copy))).map((each) => each.isReplay)).toEqual([
      true,
      true,
      true,
    ]);
  });
});

const kafkajs = (record: TextRecord) =>
  (FORMS.kafkajs as NonNullable<typeof FORMS.kafkajs>)(record);
const parse = (record: TextRecord) => parseEvent(kafkajs(record));

describe('An event', () => {
  it('from before there were versions has version 1', () => {
    const { ce_dataschema: _, ...headers } = allocated(7).headers;
    expect(parse({ ...allocated(7), headers })).toMatchObject({ type: 'Allocated', version: 1 });
  });

  it('with fields that the client does not know is known, and keeps these fields', () => {
    const expected = { type: 'Allocated', data: { colour: 'red', qty: 2 } };
    expect(parse(allocated(7, 'LAMP', { colour: 'red' }))).toMatchObject(expected);
  });

  it('of a newer version is unknown, because its fields may mean something else', () => {
    const newer = changed(allocated(7), { ce_dataschema: '/allocation/schemas/Allocated/2' });
    expect(parse(newer)).toMatchObject({
      type: 'unknown',
      eventType: 'Allocated',
      why: 'Version 2 of Allocated is newer than this client',
      version: 2,
      sku: 'LAMP',
      sequence: 7,
      data: { qty: 2 },
    });
  });

  it('that lacks a field is unknown, with its data and sequence', () => {
    const { batchref: _, ...data } = JSON.parse(allocated(7).value ?? '');
    expect(parse({ ...allocated(7), value: JSON.stringify(data) })).toMatchObject({
      type: 'unknown',
      eventType: 'Allocated',
      why: 'The field batchref of Allocated is not as version 1 has it',
      sku: 'LAMP',
      sequence: 7,
      data,
    });
  });

  it('of an unknown type keeps its place in the order of its product', () => {
    const value = '{"pallet":"p-1"}';
    const moved = { ...changed(allocated(7), { ce_type: 'BatchMoved' }), value };
    const expected = { type: 'unknown', eventType: 'BatchMoved', sku: 'LAMP', sequence: 7 };
    expect(parse(moved)).toMatchObject({ ...expected, data: { pallet: 'p-1' } });
  });

  it('with a new reason for a rejection is known', () => {
    const data = { command: 'AllocateOrder', reason: 'too-late', detail: 'Why', orderid: 'o' };
    const { ce_sequence: _, ...headers } = allocated(7).headers;
    const rejected = changed(
      { value: JSON.stringify(data), headers },
      {
        ce_type: 'CommandRejected',
      },
    );
    expect(parse(rejected)).toMatchObject({ type: 'CommandRejected', data, sequence: null });
  });

  it('without the sequence that its type has is unknown', () => {
    const { ce_sequence: _, ...headers } = allocated(7).headers;
    expect(parse({ ...allocated(7), headers })).toMatchObject({
      type: 'unknown',
      why: 'Allocated has no sequence',
    });
  });

  it.each<[string, TextRecord, Partial<AllocationEvent>]>([
    ['a tombstone', { value: null, headers: {} }, { data: null, id: null }],
    ['text', { value: 'hello', headers: {} }, { data: 'hello' }],
    ['a foreign event', changed(allocated(7), { ce_source: '/other' }), { source: '/other' }],
    [
      'a composite without events',
      { ...composite(), value: '{}' },
      { data: {}, id: 'allocation.commands/0/9' },
    ],
  ])('that is %s comes back as unknown', (_, record, expected) => {
    expect(parse(record)).toMatchObject({ type: 'unknown', ...expected });
  });

  it('that is broken inside a composite leaves the others whole', () => {
    const { events } = JSON.parse(composite().value ?? '');
    const value = JSON.stringify({ events: [null, events[0], 7] });
    const types = eventsOf(kafkajs({ ...composite(), value })).map(({ type }) => type);
    expect(types).toEqual(['unknown', 'Allocated', 'unknown']);
  });

  it('whose header came several times counts the last one', () => {
    const record = kafkajs(allocated(7));
    const headers = { ...record.headers, ce_sequence: [Buffer.from('1'), Buffer.from('8')] };
    expect(parseEvent({ ...record, headers })).toMatchObject({ sequence: 8 });
  });

  it('without headers is unknown', () => {
    expect(parseEvent({ value: Buffer.from('{}') })).toMatchObject({ type: 'unknown' });
  });

  it('from the stream of events is read as from Kafka', () => {
    const { headers, value } = composite();
    const attributes = Object.entries(headers).map(([name, text]) => [name.slice(3), text]);
    const structured = { ...Object.fromEntries(attributes), data: JSON.parse(value ?? '') };
    expect(parseStructuredEvent(structured)).toEqual(parse(composite()));
    expect(parseStructuredEvent('text')).toMatchObject({ type: 'unknown', data: 'text' });
  });
});
