import { describe, expect, it } from 'vitest';
import { AllocationModel, type ModelEvent } from '../support/allocation-model.ts';
import {
  checkHistory,
  type History,
  type HistoryRecord,
  type Violation,
} from '../support/check-history.ts';

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
  ends: Map<number, number>;
  starts?: {
    commands: Map<number, number>;
    events: Map<number, number>;
    deadLetters: Map<number, number>;
  };
};

const order = (orderid: string, sku: string, qty: number) => ({
  type: 'AllocateOrder',
  orderid,
  sku,
  qty,
});
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

/** The command at this offset has a correlation id and a trace. */
const TRACED = 3;
const TRACE = {
  ce_correlationid: 'a talk',
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
};

/** Builds the history of a correct service: one lane, one command sent twice, one unreadable. */
function rightHistory(): Draft {
  const model = new AllocationModel();
  const commands: HistoryRecord[] = [];
  const events: HistoryRecord[] = [];
  const record = (
    topic: string,
    offset: number,
    value: unknown,
    headers: Record<string, string> = {},
  ) => ({
    topic,
    partition: 0,
    offset,
    key: headers.ce_subject ?? null,
    value: Buffer.from(JSON.stringify(value)),
    headers,
  });
  for (const [offset, body] of bodies.entries()) {
    commands.push(
      record('commands', offset, { id: `id-${offset}`, ...body }, offset === TRACED ? TRACE : {}),
    );
    const lines = 'lines' in body ? body.lines : [body];
    const outcome = model.handle({
      eta: null,
      ...body,
      ...(body.type === 'AllocateOrder' ? { lines } : {}),
      ...(body.type === 'DeallocateOrder' ? { sku: null } : {}),
    } as never);
    if (outcome.length > 0)
      events.push(record('events', events.length, ...answerOf(offset, body, outcome)));
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
      .flatMap(({ sku, sequence }) =>
        sequence === undefined ? [] : [[String(sku), sequence] as const],
      ),
  );
  const nextOffset = commands.length;
  return {
    commands,
    events,
    deadLetters: [deadLetter],
    committedOffsets: new Map([[0, nextOffset]]),
    ends: new Map([[0, nextOffset]]),
    tables: {
      products: [...sequences].map(([sku, version]) => ({ sku, version })),
      batches: model.batches.map((batch) => ({
        ...batch,
        allocated: batch.quantity - model.available(batch),
      })),
      lines: model.lines.map((line) => ({ ...line })),
      processedIds: new Set(bodies.map((_, offset) => `id-${offset}`)),
      positions: [{ topic: 'commands', partition: 0, nextOffset }],
      outbox: [],
      parkedIds: [],
    },
  };
}

function answerOf(
  offset: number,
  body: object,
  outcome: readonly ModelEvent[],
): [unknown, Record<string, string>] {
  const id = `commands/0/${offset}`;
  const [first] = outcome as [ModelEvent];
  const isOrder = 'orderid' in body && outcome.length > 1;
  const about = ({ sku, reference, orderid }: ModelEvent) => String(sku ?? reference ?? orderid);
  const { traceparent, ce_correlationid: correlationid = `id-${offset}` } =
    offset === TRACED ? TRACE : ({} as Partial<typeof TRACE>);
  const attributes = (type: string, subject: string, sequence: number | undefined) => ({
    specversion: '1.0',
    source: '/allocation',
    type,
    subject,
    time: `2027-01-01T00:00:${String(offset).padStart(2, '0')}Z`,
    causationid: `id-${offset}`,
    causationform: 'id',
    correlationid,
    dataschema: `/allocation/schemas/${type}/1`,
    ...(sequence === undefined ? {} : { sequence: String(sequence) }),
  });
  const headersOf = (of: object) => ({
    'content-type': 'application/json',
    ce_id: id,
    ...Object.fromEntries(Object.entries(of).map(([name, text]) => [`ce_${name}`, text])),
    ...(traceparent === undefined ? {} : { traceparent }),
  });
  if (outcome.length === 1) {
    const { type, sequence, ...data } = first;
    return [data, headersOf(attributes(type, about(first), sequence))];
  }
  const events = outcome.map((event, index) => {
    const { type, sequence, ...data } = event;
    return {
      id: `${id}/${index + 1}`,
      ...attributes(type, about(event), sequence),
      ...(traceparent && { traceparent }),
      data,
    };
  });
  return [
    { events },
    headersOf(
      attributes('CompositeDomainEvent', isOrder ? String(first.orderid) : about(first), undefined),
    ),
  ];
}

function eventsIn({ headers, value }: HistoryRecord): ModelEvent[] {
  const body = JSON.parse(String(value));
  if (headers.ce_type !== 'CompositeDomainEvent')
    return [
      {
        ...body,
        type: headers.ce_type,
        ...(headers.ce_sequence ? { sequence: Number(headers.ce_sequence) } : {}),
      },
    ];
  return body.events.map(
    ({ type, sequence, data }: { type: string; sequence?: string; data: object }) => ({
      ...data,
      type,
      ...(sequence ? { sequence: Number(sequence) } : {}),
    }),
  );
}

const editRecord = (
  record: HistoryRecord,
  edit: (body: Record<string, never>) => void,
  headers = {},
): HistoryRecord => {
  const body = JSON.parse(String(record.value));
  edit(body);
  return {
    ...record,
    value: Buffer.from(JSON.stringify(body)),
    headers: { ...record.headers, ...headers },
  };
};
const at = <T>(list: readonly T[], index: number) => list[index] as T;
const isComposite = ({ headers }: HistoryRecord) => headers.ce_type === 'CompositeDomainEvent';

/**
 * Splits the first composite into two messages, as the service does if it is too large for one.
 * @returns the index of the first message
 */
function splitFirstComposite({ events }: Draft): number {
  const index = events.findIndex(isComposite);
  const whole = at(events, index);
  const part = (from: number, to: number, headers = {}) =>
    editRecord(
      whole,
      (body) =>
        Object.assign(body, { events: (body.events as unknown as unknown[]).slice(from, to) }),
      headers,
    );
  events.splice(index, 1, part(0, 1), part(1, 500, { ce_id: `${whole.headers.ce_id}.2` }));
  renumber(events);
  return index;
}

function renumber(events: HistoryRecord[]): void {
  for (const [offset, record] of events.entries()) events[offset] = { ...record, offset };
}

/** Moves the command at `offset` to the dead letters, and removes its answer. */
function moveToDeadLetters(
  { commands, events, deadLetters }: Draft,
  offset: number,
  reason: string,
): void {
  const answer = events.findIndex(({ headers }) => headers.ce_id === `commands/0/${offset}`);
  if (answer >= 0) events.splice(answer, 1);
  const { key, value, headers } = commands[offset] ?? at(commands, 0);
  const why = {
    ...at(deadLetters, 0).headers,
    'dead-letter-reason': reason,
    'dead-letter-offset': String(offset),
  };
  deadLetters.push({
    topic: 'dead',
    partition: 0,
    offset: deadLetters.length,
    key,
    value,
    headers: { ...headers, ...why },
  });
}

/** Lets retention delete the first `count` records of the topic. */
function applyRetention(history: Draft, topic: 'commands' | 'events', count: number): void {
  history[topic].splice(0, count);
  history.starts ??= { commands: new Map(), events: new Map(), deadLetters: new Map() };
  history.starts[topic].set(0, count);
}

/** Damages the answer to the command with a trace. */
function damageAnswer(change: (record: HistoryRecord) => HistoryRecord) {
  return ({ events }: Draft) => {
    const index = events.findIndex(({ headers }) => headers.ce_id === `commands/0/${TRACED}`);
    events[index] = change(at(events, index));
  };
}

function withHeader(name: string, text: string | undefined) {
  return (record: HistoryRecord): HistoryRecord => {
    const { [name]: _, ...headers } = record.headers;
    return { ...record, headers: text === undefined ? headers : { ...headers, [name]: text } };
  };
}

/** Damages the second part of the first composite, and `more` of its record. */
function damageComposite(
  change: (part: Record<string, unknown>) => void,
  more: Partial<HistoryRecord> = {},
) {
  return ({ events }: Draft) =>
    editComposite(
      events,
      (body) => change(at(body.events as unknown as Record<string, unknown>[], 1)),
      more,
    );
}

function editComposite(
  events: HistoryRecord[],
  edit: (body: Record<string, never>) => void,
  more: Partial<HistoryRecord> = {},
): void {
  const index = events.findIndex(isComposite);
  events[index] = { ...editRecord(at(events, index), edit), ...more };
}

/** Lets the last command fail. It is the one that changes nothing in the database. */
function failLast(history: Draft, reason: string): void {
  moveToDeadLetters(history, LAST, reason);
  history.tables.processedIds.delete(`id-${LAST}`);
}
const LAST = bodies.length - 1;

describe('The judge of histories', () => {
  it('accepts a correct history', () => {
    expect(checkHistory(rightHistory())).toEqual([]);
  });

  it('accepts a composite in several messages, and markers behind the last command', () => {
    const history = rightHistory();
    splitFirstComposite(history);
    history.ends.set(0, bodies.length + 5);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a failure and parked commands that the test announces', () => {
    const history = rightHistory();
    failLast(history, 'handler-failed');
    history.tables.parkedIds.push(`id-${LAST}`);
    expect(
      checkHistory(history, { mayFail: ({ id }) => id === `id-${LAST}`, mayStayParked: true }),
    ).toEqual([]);
  });

  it('accepts a history whose first commands retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'commands', 7);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a history whose commands retention has all deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'commands', history.commands.length);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a history whose first events retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'events', 4);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts an answer whose first message retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'events', splitFirstComposite(history) + 1);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a repeated command whose original and answer retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'commands', 4);
    applyRetention(history, 'events', 4);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts missing answers while the history is under way', () => {
    const history = rightHistory();
    history.events.pop();
    history.committedOffsets.set(0, 9);
    expect(checkHistory(history, { isUnderWay: true })).toEqual([]);
  });

  it('finds an answer published twice while the history is under way', () => {
    const history = rightHistory();
    history.events.pop();
    history.events.push({ ...at(history.events, 3), offset: history.events.length });
    expect(checkHistory(history, { isUnderWay: true }).map(({ kind }) => kind)).toContain(
      'answered-twice',
    );
  });

  it('finds a good command that is called malformed, whatever may fail', () => {
    const history = rightHistory();
    failLast(history, 'malformed');
    expect(checkHistory(history, { mayFail: () => true })).toMatchObject([
      { kind: 'dead-for-nothing' },
    ]);
  });

  const damages: [string, Violation['kind'], (history: Draft) => void][] = [
    ['a missing answer', 'unanswered', ({ events }) => void events.pop()],
    [
      'an answer published twice',
      'answered-twice',
      ({ events }) => void events.push({ ...at(events, 3), offset: events.length }),
    ],
    [
      'a repeated command that is answered again',
      'answered-twice',
      (history) => {
        history.events.push({
          ...editRecord(at(history.events, 3), () => {}, { ce_id: `commands/0/${bodies.length}` }),
          offset: history.events.length,
        });
      },
    ],
    [
      'an event for a place without a command',
      'event-without-command',
      ({ events }) => {
        events.push(
          editRecord({ ...at(events, 3), offset: events.length }, () => {}, {
            ce_id: 'commands/0/99',
          }),
        );
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
          editRecord(
            at(events, index),
            (body) => void (body.events as unknown as unknown[]).splice(1),
          ),
        );
      },
    ],
    [
      'the missing second message of a composite',
      'wrong-outcome',
      (history) => void history.events.splice(splitFirstComposite(history) + 1, 1),
    ],
    [
      'the missing first message of a composite',
      'torn-composite',
      (history) => void history.events.splice(splitFirstComposite(history), 1),
    ],
    [
      'messages of a composite in the wrong order',
      'torn-composite',
      (history) => {
        const index = splitFirstComposite(history);
        history.events.splice(index, 2, at(history.events, index + 1), at(history.events, index));
        renumber(history.events);
      },
    ],
    [
      'an answer between the messages of a composite',
      'out-of-order',
      (history) => {
        const index = splitFirstComposite(history);
        history.events.splice(
          index + 1,
          2,
          at(history.events, index + 2),
          at(history.events, index + 1),
        );
        renumber(history.events);
      },
    ],
    [
      'the second message of a composite published twice',
      'answered-twice',
      (history) => {
        const second = at(history.events, splitFirstComposite(history) + 1);
        history.events.push({ ...second, offset: history.events.length });
      },
    ],
    [
      'the second message of a composite that names another command',
      'wrong-id',
      (history) => {
        const index = splitFirstComposite(history) + 1;
        history.events[index] = editRecord(at(history.events, index), () => {}, {
          ce_causationid: 'id-9',
        });
      },
    ],
    [
      'an answer that names another command',
      'wrong-id',
      ({ events }) =>
        void events.splice(
          3,
          1,
          editRecord(at(events, 3), () => {}, { ce_causationid: 'id-9' }),
        ),
    ],
    [
      'two answers in the wrong order',
      'out-of-order',
      ({ events }) => {
        const [third, fourth] = [at(events, 3), at(events, 4)];
        events.splice(
          3,
          2,
          { ...fourth, offset: third.offset },
          { ...third, offset: fourth.offset },
        );
      },
    ],
    [
      'an answer in another partition than the others of its subject',
      'scattered',
      ({ events }) => void events.splice(3, 1, { ...at(events, 3), partition: 1 }),
    ],
    [
      'a gap in the sequence numbers',
      'sequence',
      ({ events }) =>
        void events.splice(
          3,
          1,
          editRecord(at(events, 3), () => {}, { ce_sequence: '30' }),
        ),
    ],
    [
      'a sequence number twice after retention has deleted events',
      'sequence',
      (history) => {
        applyRetention(history, 'events', 2);
        history.events[2] = editRecord(at(history.events, 2), () => {}, { ce_sequence: '3' });
      },
    ],
    [
      'sequence numbers that fall while the offsets rise',
      'sequence',
      ({ events }) => {
        const [third, fourth] = [at(events, 3), at(events, 4)];
        events.splice(
          3,
          2,
          { ...fourth, offset: third.offset },
          { ...third, offset: fourth.offset },
        );
      },
    ],
    [
      'sequence numbers that contradict the order of the lane',
      'no-possible-order',
      ({ events }) => {
        events.splice(
          3,
          1,
          editRecord(at(events, 3), () => {}, { ce_sequence: '4' }),
        );
        events.splice(
          4,
          1,
          editRecord(at(events, 4), () => {}, { ce_sequence: '3' }),
        );
      },
    ],
    [
      'a line allocated from the wrong batch',
      'wrong-outcome',
      ({ events }) =>
        void events.splice(
          3,
          1,
          editRecord(at(events, 3), (body) => Object.assign(body, { batchref: 'a-due' })),
        ),
    ],
    [
      'an unreadable command that is answered',
      'answered-and-dead',
      ({ events }) => {
        events.push(
          editRecord({ ...at(events, 3), offset: events.length }, () => {}, {
            ce_id: `commands/0/${bodies.length + 1}`,
          }),
        );
      },
    ],
    [
      'a dead letter published twice',
      'dead-letter-twice',
      ({ deadLetters }) => void deadLetters.push({ ...at(deadLetters, 0), offset: 1 }),
    ],
    [
      'a good command among the dead letters',
      'dead-for-nothing',
      (history) => failLast(history, 'handler-failed'),
    ],
    [
      'a good command that is called malformed',
      'dead-for-nothing',
      (history) => failLast(history, 'malformed'),
    ],
    [
      'a command that is parked although none has failed',
      'dead-for-nothing',
      (history) => failLast(history, 'parked-behind'),
    ],
    [
      'a dead letter for a place without a command',
      'dead-letter-without-command',
      (history) => moveToDeadLetters(history, bodies.length + 9, 'malformed'),
    ],
    [
      'a command with invalid data that is answered',
      'unanswered',
      ({ commands }) =>
        void commands.splice(
          3,
          1,
          editRecord(at(commands, 3), (body) => Object.assign(body, { qty: 0 })),
        ),
    ],
    [
      'a batch with more allocated than it has',
      'oversold',
      ({ tables }) => Object.assign(at(tables.batches, 2), { allocated: 6 }),
    ],
    ['a line that the database has lost', 'database', ({ tables }) => void tables.lines.pop()],
    [
      'a line that no command asked for',
      'database',
      ({ tables }) => void tables.lines.push({ orderid: 'x', sku: 'a', qty: 1, batchref: 'a-due' }),
    ],
    [
      'a product whose version differs from its events',
      'database',
      ({ tables }) => Object.assign(at(tables.products, 0), { version: 1 }),
    ],
    [
      'a quantity that no event has set',
      'database',
      ({ tables }) => Object.assign(at(tables.batches, 0), { quantity: 4 }),
    ],
    [
      'an answered command whose id is not stored',
      'processed-ids',
      ({ tables }) => void tables.processedIds.delete('id-3'),
    ],
    [
      'a stored id of a command that was not handled',
      'processed-ids',
      ({ tables }) => void tables.processedIds.add('id-99'),
    ],
    [
      'a stored id of a command among the dead letters',
      'processed-ids',
      (history) => {
        failLast(history, 'handler-failed');
        history.tables.processedIds.add(`id-${LAST}`);
      },
    ],
    [
      'an unanswered command whose id another source has used',
      'unanswered',
      ({ commands }) => {
        const [first] = commands as [HistoryRecord];
        const headers = {
          ce_specversion: '1.0',
          ce_id: 'id-3',
          ce_source: '/shop',
          ce_type: 'AllocateOrder',
        };
        const value = Buffer.from(JSON.stringify({ orderid: 'elsewhere', sku: 'a', qty: 1 }));
        commands.push({ ...first, offset: commands.length, value, headers });
      },
    ],
    [
      'a command that is answered only where it comes again',
      'wrong-repeat',
      ({ commands }) => {
        const [first] = commands as [HistoryRecord];
        const late = commands.find(({ offset }) => offset === LAST) as HistoryRecord;
        const { id } = JSON.parse(String(late.value));
        const other = { id, ...order('other words', 'a', 1) };
        commands.unshift({ ...first, offset: -1, value: Buffer.from(JSON.stringify(other)) });
      },
    ],
    [
      'an earlier command with the same id and another body',
      'another-body',
      ({ commands }) => {
        const [first] = commands as [HistoryRecord];
        const { id } = JSON.parse(
          String((commands.find(({ offset }) => offset === LAST) as HistoryRecord).value),
        );
        const value = Buffer.from(JSON.stringify({ id, ...order('another', 'a', 1) }));
        commands.unshift({ ...first, offset: -1, value });
      },
    ],
    [
      'an answer to a later body with the same id',
      'another-body',
      (history) => {
        const { id } = JSON.parse(String(at(history.commands, TRACED).value));
        const value = Buffer.from(JSON.stringify({ id, ...order('another', 'a', 4) }));
        history.commands.push({
          ...at(history.commands, 0),
          offset: history.commands.length,
          value,
        });
        damageAnswer((record) =>
          editRecord(record, (body) => Object.assign(body, { orderid: 'another' })),
        )(history);
      },
    ],
    [
      'two answered bodies with the same id',
      'another-body',
      (history) => {
        const { id } = JSON.parse(String(at(history.commands, TRACED).value));
        history.commands[LAST] = editRecord(at(history.commands, LAST), (body) =>
          Object.assign(body, { id }),
        );
      },
    ],
    [
      'an unpublished answer in the outbox',
      'outbox',
      ({ tables }) =>
        void tables.outbox.push({ topic: 'commands', partition: 0, nextOffset: bodies.length + 3 }),
    ],
    [
      'a published answer in the outbox',
      'outbox',
      ({ tables }) =>
        void tables.outbox.push({ topic: 'commands', partition: 0, nextOffset: bodies.length }),
    ],
    [
      'an answer without its key',
      'wrong-key',
      damageAnswer((record) => ({ ...record, key: null })),
    ],
    [
      'an answer with the key of another product',
      'wrong-key',
      damageAnswer((record) => ({ ...record, key: 'b' })),
    ],
    [
      'a composite of an order with the key of a product',
      'wrong-key',
      damageComposite(() => {}, { key: 'a' }),
    ],
    [
      'an answer about another product',
      'wrong-subject',
      damageAnswer(withHeader('ce_subject', 'b')),
    ],
    [
      'a part of a composite about another product',
      'wrong-subject',
      damageComposite((part) => Object.assign(part, { subject: 'c' })),
    ],
    [
      'an answer with another correlation id',
      'wrong-correlation',
      damageAnswer(withHeader('ce_correlationid', 'id-3')),
    ],
    [
      'an answer without a correlation id',
      'wrong-correlation',
      damageAnswer(withHeader('ce_correlationid', undefined)),
    ],
    [
      'a part of a composite with another correlation id',
      'wrong-correlation',
      damageComposite((part) => Object.assign(part, { correlationid: 'another' })),
    ],
    [
      'an answer that does not continue the trace',
      'wrong-trace',
      damageAnswer(withHeader('traceparent', undefined)),
    ],
    [
      'a trace that no command has',
      'wrong-trace',
      damageComposite((part) => Object.assign(part, { traceparent: TRACE.traceparent })),
    ],
    [
      'an answer without a schema',
      'wrong-dataschema',
      damageAnswer(withHeader('ce_dataschema', undefined)),
    ],
    [
      'a part of a composite with the schema of another type',
      'wrong-dataschema',
      damageComposite((part) =>
        Object.assign(part, { dataschema: '/allocation/schemas/OutOfStock/1' }),
      ),
    ],
    [
      'an answer from another source',
      'wrong-envelope',
      damageAnswer(withHeader('ce_source', '/other')),
    ],
    [
      'an answer with the wrong content type',
      'wrong-envelope',
      damageAnswer(withHeader('content-type', 'text/plain')),
    ],
    [
      'a part of a composite with another time',
      'wrong-envelope',
      damageComposite((part) => Object.assign(part, { time: 'later' })),
    ],
    [
      'a part of a composite that names another command',
      'wrong-id',
      damageComposite((part) => Object.assign(part, { causationid: 'id-9' })),
    ],
    [
      'a composite whose events are not a list',
      'unreadable-event',
      ({ events }) => void editComposite(events, (body) => Object.assign(body, { events: 1 })),
    ],
    [
      'a dead letter that differs from its command',
      'altered-letter',
      ({ deadLetters }) =>
        void deadLetters.splice(0, 1, { ...at(deadLetters, 0), value: Buffer.from('"another"') }),
    ],
    [
      'a dead letter without the headers of its command',
      'altered-letter',
      (history) => {
        failLast(history, 'handler-failed');
        history.commands[LAST] = {
          ...at(history.commands, LAST),
          headers: { 'of-the-sender': 'x' },
        };
      },
    ],
    [
      'a missing answer that retention has not deleted',
      'unanswered',
      (history) => {
        applyRetention(history, 'events', 2);
        history.events.splice(5, 1);
      },
    ],
    [
      'a deleted command that is answered again',
      'answered-twice',
      (history) => {
        applyRetention(history, 'commands', 7);
        history.events.push({ ...at(history.events, 3), offset: history.events.length });
      },
    ],
    [
      'a deleted command that comes again and is answered again',
      'answered-twice',
      (history) => {
        applyRetention(history, 'commands', 7);
        const again = withHeader('ce_id', `commands/0/${bodies.length}`)(at(history.events, 3));
        history.events.push({ ...again, offset: history.events.length });
      },
    ],
    [
      'an event for a place behind the log start without a command',
      'event-without-command',
      (history) => {
        applyRetention(history, 'commands', 7);
        history.commands.splice(2, 1);
      },
    ],
    [
      'a wrong answer that depends on deleted commands',
      'wrong-outcome',
      (history) => {
        applyRetention(history, 'commands', 7);
        const last = history.events.length - 2;
        history.events[last] = editRecord(
          at(history.events, last),
          (body) => void (body.events as unknown as unknown[]).pop(),
        );
      },
    ],
    [
      'a lost line of a deleted command',
      'database',
      (history) => {
        applyRetention(history, 'commands', 7);
        history.tables.lines.shift();
      },
    ],
    [
      'a command that stays parked',
      'still-parked',
      ({ tables }) => void tables.parkedIds.push('id-99'),
    ],
    [
      'a group and a database that stand beyond the end',
      'positions',
      ({ tables, committedOffsets }) => {
        at(tables.positions, 0).nextOffset += 1;
        committedOffsets.set(0, at(tables.positions, 0).nextOffset);
      },
    ],
    [
      'a committed offset in a partition without commands',
      'positions',
      ({ ends, committedOffsets }) => {
        ends.set(1, 0);
        committedOffsets.set(1, 1);
      },
    ],
    [
      'a group that is behind the database',
      'positions',
      ({ committedOffsets }) => void committedOffsets.set(0, 5),
    ],
    [
      'a database that is behind the last command',
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
