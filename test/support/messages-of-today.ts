import { encodeDeadLetter } from '../../src/dead-letters/encode-dead-letter.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { CommandRejected, Event, RejectionReason } from '../../src/domain/events.ts';
import { type Answer, encodeAnswer } from '../../src/messages/encode-answer.ts';

/** A record as the fixture stores it. */
export interface TextRecord {
  readonly topic: 'commands' | 'events' | 'dead-letters';
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

const time = '2026-11-26T12:00:00.000Z';
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const largest = Number.MAX_SAFE_INTEGER;
const line = { orderid: 'order-1', sku: 'LAMP', qty: 2 };
const rejected = (
  command: Command['type'],
  reason: RejectionReason,
  ids: Pick<CommandRejected, 'orderid' | 'sku' | 'reference'>,
) =>
  ({
    type: 'CommandRejected',
    command,
    reason,
    detail: 'One sentence: "why", é € 😀',
    ...ids,
  }) as const;

const eventsByType: { readonly [T in Event['type']]: readonly Extract<Event, { type: T }>[] } = {
  BatchCreated: [
    { type: 'BatchCreated', reference: 'batch-1', sku: 'LAMP', quantity: 0, eta: null, version: 1 },
    {
      type: 'BatchCreated',
      reference: '😀'.repeat(255),
      sku: 'a "quoted" \\ é €',
      quantity: largest,
      eta: '2028-02-29',
      version: 2,
    },
  ],
  Allocated: [
    { type: 'Allocated', ...line, batchref: 'batch-1', version: 3 },
    {
      type: 'Allocated',
      orderid: ' ',
      sku: 'é',
      qty: largest,
      batchref: '/',
      version: 999_999_999_999_999,
    },
  ],
  AlreadyAllocated: [{ type: 'AlreadyAllocated', ...line, batchref: 'batch-1' }],
  Deallocated: [
    { type: 'Deallocated', ...line, batchref: 'batch-1', because: 'requested', version: 4 },
    { type: 'Deallocated', ...line, batchref: 'batch-1', because: 'batch-shrank', version: 5 },
  ],
  OutOfStock: [{ type: 'OutOfStock', ...line, version: 6 }],
  BatchQuantityChanged: [
    { type: 'BatchQuantityChanged', reference: 'batch-1', sku: 'LAMP', quantity: 0, version: 7 },
  ],
  CommandRejected: [
    rejected('CreateBatch', 'batch-differs', { reference: 'batch-1', sku: 'LAMP' }),
    rejected('AllocateOrder', 'unknown-sku', { orderid: 'order-1', sku: 'LAMP' }),
    rejected('AllocateOrder', 'line-differs', { orderid: 'order-1', sku: 'LAMP' }),
    rejected('ChangeBatchQuantity', 'unknown-batch', { reference: 'batch-1' }),
    rejected('DeallocateOrder', 'unknown-order', { orderid: 'order-1' }),
    rejected('DeallocateOrder', 'unknown-order', { orderid: 'order-1', sku: 'LAMP' }),
  ],
};

const answer = (offset: number, events: readonly Event[], more: Partial<Answer> = {}): Answer => ({
  topic: 'allocation.commands',
  partition: 4,
  offset,
  identity: `command-${offset}`,
  correlationId: `session-${offset}`,
  traceparent: null,
  command: { type: 'AllocateOrder', orderid: 'order-1', lines: [] } satisfies Command,
  events,
  time,
  ...more,
});

/**
 * Returns what the service writes today: every event by itself and in a composite, a split
 * composite, and dead letters.
 */
export function messagesOfToday(): readonly TextRecord[] {
  const events = Object.values(eventsByType).flat<readonly (readonly Event[])[]>();
  const published = [
    ...events.flatMap((event, index) => encodeAnswer(answer(index, [event]))),
    ...encodeAnswer(answer(100, events)),
    ...encodeAnswer(
      answer(101, events.slice(-2), {
        traceparent,
        topic: 'shop.commands_v-2',
        partition: 1,
        identity: '/shop\tcommand-101',
      }),
    ),
    ...encodeAnswer(
      answer(102, events.slice(2, 4), {
        identity: '\tallocation.commands/4/102',
        command: { type: 'ChangeBatchQuantity', reference: 'batch-1', quantity: 0 },
      }),
    ),
    ...encodeAnswer(answer(103, events.slice(2, 7)), 1_900),
    ...encodeAnswer(answer(104, events.slice(0, 1), { identity: '/shop\tcommand-104' })),
    ...encodeAnswer(answer(105, events.slice(0, 1), { identity: '\tallocation.commands/4/105' })),
  ];
  return [
    ...published.map((record) => ({ topic: 'events' as const, ...record })),
    ...deadLetters(),
  ];
}

function deadLetters(): readonly TextRecord[] {
  const place = { topic: 'allocation.commands', partition: 3, offset: 200 };
  const headers = {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: 'c-9',
    ce_source: '/shop',
    ce_type: 'DeallocateOrder',
  };
  const original = {
    ...place,
    key: Buffer.from('LAMP'),
    value: Buffer.from('{"orderid":"order-1"}'),
    headers,
  };
  const failed = {
    reason: 'handler-failed',
    message: 'It failed',
    attempts: 4,
    failedAt: time,
  } as const;
  const parked = { id: '/shop\tc-9', skus: ['LAMP, large'], behind: ['c-8'], position: 7 };
  const unreadable = {
    reason: 'malformed',
    message: 'The value is not JSON',
    attempts: 1,
    failedAt: time,
    parked: null,
  } as const;
  const behind = { reason: 'parked-behind', attempts: 0, parked } as const;
  return [
    encodeDeadLetter(
      { ...original, key: null, value: Buffer.from('allocate, please'), headers: {} },
      unreadable,
      10_000,
    ),
    encodeDeadLetter(original, { ...failed, parked }, 10_000),
    encodeDeadLetter(
      { ...original, value: Buffer.alloc(20_000) },
      { ...failed, ...behind },
      10_000,
    ),
    encodeDeadLetter(original, { ...failed, ...behind }, 10),
  ].map(({ key, value, headers }) => ({
    topic: 'dead-letters',
    key: key === null ? null : String(key),
    value: value === null ? null : String(value),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, header]) => [name, String(header)]),
    ),
  }));
}
