import { describe, expect, it } from 'vitest';
import { AllocationModel, type ModelEvent } from '../support/allocation-model.ts';
import { checkHistory, type History, type HistoryRecord, type Violation } from '../support/check-history.ts';

type Mutable<T> = T extends Buffer | null
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? Map<K, V>
    : T extends ReadonlySet<infer V>
      ? Set<V>
      : T extends object
        ? { -readonly [K in keyof T]: Mutable<T[K]> }
        : T;
type Draft = {
  commands: HistoryRecord[];
  events: HistoryRecord[];
  deadLetters: HistoryRecord[];
  tables: Mutable<History['tables']>;
  committedOffsets: Map<number, number>;
};

const order = (orderid: string, sku: string, qty: number) => ({ type: 'AllocateOrder', orderid, sku, qty });
const bodies = [
  { type: 'CreateBatch', reference: 'a-here', sku: 'a', quantity: 10 },
  { type: 'CreateBatch', reference: 'a-due', sku: 'a', quantity: 10, eta: '2027-01-01' },
  { type: 'CreateBatch', reference: 'b-here', sku: 'b', quantity: 5 },
  order('one', 'a', 4),
  order('two', 'a', 4),
  order('three', 'a', 4),
  {
    type: 'AllocateOrder',
    orderid: 'both',
    lines: [
      { sku: 'a', qty: 1 },
      { sku: 'b', qty: 2 },
    ],
  },
  order('too much', 'b', 9),
  order('one', 'a', 4),
  { type: 'DeallocateOrder', orderid: 'two' },
  { type: 'ChangeBatchQuantity', reference: 'a-here', quantity: 3 },
  order('nobody', 'unknown', 1),
];

/** What a service leaves behind that did everything right: one lane, ids of its own, one command sent twice, one unreadable. */
function rightHistory(): Draft {
  const model = new AllocationModel();
  const commands: HistoryRecord[] = [];
  const events: HistoryRecord[] = [];
  const record = (topic: string, offset: number, value: unknown, headers = {}) => ({
    topic,
    partition: 0,
    offset,
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    headers,
  });
  for (const [offset, body] of bodies.entries()) {
    commands.push(record('commands', offset, { id: `id-${offset}`, ...body }));
    const lines = 'lines' in body ? body.lines : [body];
    const outcome = model.handle({
      eta: null,
      ...body,
      ...(body.type === 'AllocateOrder' ? { lines } : {}),
      ...(body.type === 'DeallocateOrder' ? { sku: null } : {}),
    } as never);
    if (outcome.length > 0) events.push(record('events', events.length, ...answerOf(offset, outcome)));
  }
  commands.push(record('commands', bodies.length, { id: 'id-3', ...bodies[3] }));
  commands.push(record('commands', bodies.length + 1, 'no command'));
  const deadLetter = record('dead', 0, 'no command', {
    'dead-letter-reason': 'malformed',
    'dead-letter-topic': 'commands',
    'dead-letter-partition': '0',
    'dead-letter-offset': String(bodies.length + 1),
  });
  const sequences = new Map(
    events
      .flatMap((each) => eventsIn(each))
      .flatMap(({ sku, sequence }) => (sequence === undefined ? [] : [[String(sku), sequence] as const])),
  );
  const nextOffset = commands.length;
  return {
    commands,
    events,
    deadLetters: [deadLetter],
    committedOffsets: new Map([[0, nextOffset]]),
    tables: {
      products: [...sequences].map(([sku, version]) => ({ sku, version })),
      batches: model.batches.map((batch) => ({ ...batch, allocated: batch.quantity - model.available(batch) })),
      lines: model.lines.map((line) => ({ ...line })),
      processedIds: new Set(bodies.map((_, offset) => `id-${offset}`)),
      positions: [{ topic: 'commands', partition: 0, nextOffset }],
    },
  };
}

function answerOf(offset: number, outcome: readonly ModelEvent[]): [unknown, Record<string, string>] {
  const id = `commands/0/${offset}`;
  const headers = {
    ce_id: id,
    ce_causationid: `id-${offset}`,
    ce_subject: String(outcome[0]?.sku),
    ce_time: `2027-01-01T00:00:${String(offset).padStart(2, '0')}Z`,
  };
  const [{ type, sequence, ...data }] = outcome as [ModelEvent];
  if (outcome.length === 1)
    return [data, { ...headers, ce_type: type, ...(sequence === undefined ? {} : { ce_sequence: String(sequence) }) }];
  const parts = outcome.map(({ type, sequence, ...data }, index) => ({
    id: `${id}/${index + 1}`,
    type,
    ...(sequence === undefined ? {} : { sequence: String(sequence) }),
    data,
  }));
  return [{ events: parts }, { ...headers, ce_type: 'CompositeDomainEvent' }];
}

function eventsIn({ headers, value }: HistoryRecord): ModelEvent[] {
  const body = JSON.parse(String(value));
  if (headers.ce_type !== 'CompositeDomainEvent')
    return [{ ...body, type: headers.ce_type, ...(headers.ce_sequence ? { sequence: Number(headers.ce_sequence) } : {}) }];
  return body.events.map(({ type, sequence, data }: { type: string; sequence?: string; data: object }) => ({
    ...data,
    type,
    ...(sequence ? { sequence: Number(sequence) } : {}),
  }));
}

const edited = (record: HistoryRecord, edit: (body: Record<string, never>) => void, headers = {}): HistoryRecord => {
  const body = JSON.parse(String(record.value));
  edit(body);
  return { ...record, value: Buffer.from(JSON.stringify(body)), headers: { ...record.headers, ...headers } };
};
const at = <T>(list: readonly T[], index: number) => list[index] as T;

describe('The judge of histories', () => {
  it('has nothing against a right one', () => {
    expect(checkHistory(rightHistory())).toEqual([]);
  });

  const damages: [string, Violation['kind'], (history: Draft) => void][] = [
    ['an answer that is not there', 'unanswered', ({ events }) => void events.pop()],
    ['an answer published twice', 'answered-twice', ({ events }) => void events.push({ ...at(events, 3), offset: events.length })],
    [
      'a repeated command answered again',
      'answered-twice',
      (history) => {
        history.events.push({
          ...edited(at(history.events, 3), () => {}, { ce_id: `commands/0/${bodies.length}` }),
          offset: history.events.length,
        });
      },
    ],
    [
      'an event of an aborted transaction, on a place that has no command',
      'event-without-command',
      ({ events }) => {
        events.push(edited({ ...at(events, 3), offset: events.length }, () => {}, { ce_id: 'commands/0/99' }));
      },
    ],
    [
      'an event that is not JSON',
      'unreadable-event',
      ({ events }) => void events.splice(3, 1, { ...at(events, 3), value: Buffer.from('{') }),
    ],
    [
      'a composite without its last part',
      'torn-composite',
      ({ events }) => {
        const index = events.findIndex(({ headers }) => headers.ce_type === 'CompositeDomainEvent');
        events.splice(
          index,
          1,
          edited(at(events, index), (body) => void (body.events as unknown as unknown[]).splice(1)),
        );
      },
    ],
    [
      'an answer that names another command',
      'wrong-id',
      ({ events }) =>
        void events.splice(
          3,
          1,
          edited(at(events, 3), () => {}, { ce_causationid: 'id-9' }),
        ),
    ],
    [
      'two answers that changed places',
      'out-of-order',
      ({ events }) => {
        const [third, fourth] = [at(events, 3), at(events, 4)];
        events.splice(3, 2, { ...fourth, offset: third.offset }, { ...third, offset: fourth.offset });
      },
    ],
    [
      'an answer in another partition than the others of its subject',
      'scattered',
      ({ events }) => void events.splice(3, 1, { ...at(events, 3), partition: 1 }),
    ],
    [
      'a sequence number left out',
      'sequence',
      ({ events }) =>
        void events.splice(
          3,
          1,
          edited(at(events, 3), () => {}, { ce_sequence: '30' }),
        ),
    ],
    [
      'sequence numbers against the order of the lane',
      'no-possible-order',
      ({ events }) => {
        events.splice(
          3,
          1,
          edited(at(events, 3), () => {}, { ce_sequence: '4' }),
        );
        events.splice(
          4,
          1,
          edited(at(events, 4), () => {}, { ce_sequence: '3' }),
        );
      },
    ],
    [
      'a line taken from the wrong batch',
      'wrong-outcome',
      ({ events }) =>
        void events.splice(
          3,
          1,
          edited(at(events, 3), (body) => Object.assign(body, { batchref: 'a-due' })),
        ),
    ],
    [
      'an unreadable command answered',
      'answered-and-dead',
      ({ events }) => {
        events.push(edited({ ...at(events, 3), offset: events.length }, () => {}, { ce_id: `commands/0/${bodies.length + 1}` }));
      },
    ],
    [
      'a dead letter published twice',
      'dead-letter-twice',
      ({ deadLetters }) => void deadLetters.push({ ...at(deadLetters, 0), offset: 1 }),
    ],
    ['more allocated than there is', 'oversold', ({ tables }) => Object.assign(at(tables.batches, 2), { allocated: 6 })],
    ['a line that the database has lost', 'database', ({ tables }) => void tables.lines.pop()],
    [
      'a line that nobody asked for',
      'database',
      ({ tables }) => void tables.lines.push({ orderid: 'x', sku: 'a', qty: 1, batchref: 'a-due' }),
    ],
    ['a product that counts otherwise than its events', 'database', ({ tables }) => Object.assign(at(tables.products, 0), { version: 1 })],
    ['a quantity that no event has set', 'database', ({ tables }) => Object.assign(at(tables.batches, 0), { quantity: 4 })],
    ['an answered command whose id was not kept', 'processed-ids', ({ tables }) => void tables.processedIds.delete('id-3')],
    ['a group that stands before the database', 'positions', ({ committedOffsets }) => void committedOffsets.set(0, 5)],
    [
      'a database that stands before the last command',
      'positions',
      ({ tables, committedOffsets }) => {
        at(tables.positions, 0).nextOffset = 5;
        committedOffsets.set(0, 5);
      },
    ],
  ];

  it.each(damages)('finds %s', (_, kind, damage) => {
    const history = rightHistory();
    damage(history);
    expect(checkHistory(history).map((violation) => violation.kind)).toContain(kind);
  });
});
