import { encodeDeadLetter } from '../dead-letters/encode-dead-letter.ts';
import { markerRecord } from '../dead-letters/markers.ts';
import type { Command } from '../domain/commands.ts';
import type { Event } from '../domain/events.ts';
import { encodeAnswer } from '../messages/encode-answer.ts';
import { encodeAct, OPERATOR_ACTED } from '../messages/operator-acts.ts';
import { dataschemaOf } from '../messages/versions.ts';

/** A record as the contract shows it. */
export interface ExampleRecord {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: unknown;
}

const TIME = '2027-01-15T09:30:00.000Z';
const PLACE = { topic: 'allocation.commands', partition: 0, offset: 7 } as const;
const LINE = { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 2 } as const;
const ALLOCATED = { ...LINE, batchref: 'batch-1' } as const;
const BATCH = { reference: 'batch-1', sku: 'SMALL-TABLE', quantity: 20 } as const;

/** The data of each command. */
export const COMMAND_EXAMPLES: Readonly<Record<Command['type'], readonly object[]>> = {
  CreateBatch: [BATCH, { ...BATCH, reference: 'batch-2', eta: '2027-01-31' }],
  AllocateOrder: [
    LINE,
    {
      orderid: 'order-2',
      lines: [
        { sku: 'SMALL-TABLE', qty: 1 },
        { sku: 'LAMP', qty: 2 },
      ],
    },
  ],
  ChangeBatchQuantity: [{ reference: 'batch-1', quantity: 12 }],
  DeallocateOrder: [{ orderid: 'order-1' }, { orderid: 'order-2', sku: 'LAMP' }],
};

const EVENTS: { readonly [T in Event['type']]: readonly Extract<Event, { type: T }>[] } = {
  BatchCreated: [{ type: 'BatchCreated', ...BATCH, eta: null, version: 1 }],
  Allocated: [{ type: 'Allocated', ...ALLOCATED, version: 2 }],
  AlreadyAllocated: [{ type: 'AlreadyAllocated', ...ALLOCATED }],
  Deallocated: [{ type: 'Deallocated', ...ALLOCATED, because: 'requested', version: 3 }],
  OutOfStock: [{ type: 'OutOfStock', ...LINE, version: 4 }],
  BatchQuantityChanged: [{ type: 'BatchQuantityChanged', ...BATCH, version: 5 }],
  CommandRejected: [
    {
      type: 'CommandRejected',
      command: 'AllocateOrder',
      reason: 'unknown-sku',
      detail: 'No batch of sku LAMP was ever created',
      orderid: 'order-1',
      sku: 'LAMP',
    },
  ],
};

/** Returns examples of one type of event, as the service publishes them. */
export function eventExamples(type: Event['type']): readonly ExampleRecord[] {
  return EVENTS[type].map((event) => answerExample([event]));
}

/** Returns a composite: the answer to an order whose second line finds no stock. */
export function compositeExample(): ExampleRecord {
  const [allocated] = EVENTS.Allocated;
  return answerExample([
    ...(allocated ? [allocated] : []),
    { type: 'OutOfStock', orderid: 'order-1', sku: 'LAMP', qty: 3, version: 1 },
  ]);
}

function answerExample(events: readonly Event[]): ExampleRecord {
  const [record] = encodeAnswer({
    ...PLACE,
    identity: '/shop\tcmd-1',
    correlationId: 'session-1',
    traceparent: null,
    command: { type: 'AllocateOrder', orderid: LINE.orderid, lines: [LINE] },
    events,
    time: TIME,
  });
  return { headers: record?.headers ?? {}, payload: JSON.parse(record?.value ?? 'null') };
}

/** Returns the dead letter of a command with wrong data. */
export function deadLetterExample(): ExampleRecord {
  const value = { type: 'AllocateOrder', orderid: 'order-1', sku: 'LAMP', qty: 0 };
  const { headers } = encodeDeadLetter(
    { ...PLACE, key: Buffer.from('LAMP'), value: Buffer.from(JSON.stringify(value)), headers: {} },
    {
      reason: 'invalid-data',
      message: 'AllocateOrder: qty must be at least 1',
      attempts: 1,
      failedAt: TIME,
      parked: null,
    },
    Number.POSITIVE_INFINITY,
  );
  return { headers: asText(headers), payload: value };
}

/** Returns the marker of a letter that was redriven. */
export function markerExample(): ExampleRecord {
  const letter = { id: 'allocation.dead-letters/0/3', key: null };
  const { headers } = markerRecord(letter, 'redriven', 'operator@host', new Date(TIME));
  return { headers: asText(headers), payload: null };
}

/** Returns the record of an act that begins, with its data in this version. */
export function actExample(version: number): ExampleRecord {
  const { headers, value } = encodeAct(
    '0b8f5b1e-6f0c-4d0e-9d3a-2f6c1f1f7a10',
    {
      act: 'dead-letters redrive',
      state: 'begun',
      by: 'operator@host',
      from: 'cli',
      on: { count: 1, first: ['allocation.dead-letters/0/3'] },
      options: { reason: 'handler-failed' },
    },
    TIME,
  );
  const ce_dataschema = dataschemaOf(OPERATOR_ACTED, version);
  return { headers: { ...headers, ce_dataschema }, payload: JSON.parse(value) };
}

function asText(headers: object): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
