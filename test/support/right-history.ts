import { AllocationModel, type ModelEvent } from './allocation-model.ts';
import type { History, HistoryRecord } from './judge/history.ts';

type Mutable<T> = T extends Buffer | null
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? Map<K, V>
    : T extends ReadonlySet<infer V>
      ? Set<V>
      : T extends object
        ? { -readonly [K in keyof T]: Mutable<T[K]> }
        : T;

/** A history that a test may still change. */
export interface Draft {
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
}

/** Returns an order of one line. */
export const order = (orderid: string, sku: string, qty: number) => ({
  type: 'AllocateOrder',
  orderid,
  sku,
  qty,
});

/** The commands of the history, in the order of their offsets. */
export const bodies = [
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

/** The offset of a command with a correlation id and a trace. */
export const TRACED = 3;
export const TRACE = {
  ce_correlationid: 'a talk',
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
};
/** The offset of the command that comes a second time, with the same id. */
export const REPEATED = 3;
/** The offset of the last command. It changes nothing in the database. */
export const LAST = bodies.length - 1;
/** The offset where the command comes again. */
export const REPEAT = bodies.length;
/** The offset of a record that is no command. */
export const UNREADABLE = bodies.length + 1;

/** Builds the history of a correct service: one lane, one command sent twice, one unreadable. */
export function rightHistory(): Draft {
  const model = new AllocationModel();
  const commands: HistoryRecord[] = [];
  const events: HistoryRecord[] = [];
  for (const [offset, body] of bodies.entries()) {
    const headers = offset === TRACED ? TRACE : {};
    commands.push(record('commands', offset, { id: `id-${offset}`, ...body }, headers));
    const outcome = handle(model, body);
    if (outcome.length > 0)
      events.push(record('events', events.length, ...answerTo(offset, body, outcome)));
  }
  commands.push(record('commands', REPEAT, { id: `id-${REPEATED}`, ...bodies[REPEATED] }));
  commands.push(record('commands', UNREADABLE, 'no command'));
  const nextOffset = commands.length;
  return {
    commands,
    events,
    deadLetters: [
      record('dead', 0, 'no command', {
        'dead-letter-reason': 'malformed',
        'dead-letter-topic': 'commands',
        'dead-letter-partition': '0',
        'dead-letter-offset': String(UNREADABLE),
      }),
    ],
    committedOffsets: new Map([[0, nextOffset]]),
    ends: new Map([[0, nextOffset]]),
    tables: {
      products: [...lastSequences(events)].map(([sku, version]) => ({ sku, version })),
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

function record(
  topic: string,
  offset: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HistoryRecord {
  return {
    topic,
    partition: 0,
    offset,
    key: headers.ce_subject ?? null,
    value: Buffer.from(JSON.stringify(value)),
    headers,
  };
}

function handle(model: AllocationModel, body: (typeof bodies)[number]): readonly ModelEvent[] {
  const lines = 'lines' in body ? body.lines : [body];
  return model.handle({
    eta: null,
    ...body,
    ...(body.type === 'AllocateOrder' ? { lines } : {}),
    ...(body.type === 'DeallocateOrder' ? { sku: null } : {}),
  } as never);
}

/** Returns the value and the headers of the answer to the command at the offset. */
function answerTo(
  offset: number,
  body: object,
  outcome: readonly ModelEvent[],
): [value: unknown, headers: Record<string, string>] {
  const id = `commands/0/${offset}`;
  const [first] = outcome as [ModelEvent];
  const isOrder = 'orderid' in body && outcome.length > 1;
  const { traceparent, ce_correlationid: correlationid = `id-${offset}` } =
    offset === TRACED ? TRACE : ({} as Partial<typeof TRACE>);
  const attributes = (type: string, subject: string, sequence?: number) => ({
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
    return [data, headersOf(attributes(type, subjectOf(first), sequence))];
  }
  const events = outcome.map((event, index) => {
    const { type, sequence, ...data } = event;
    return {
      id: `${id}/${index + 1}`,
      ...attributes(type, subjectOf(event), sequence),
      ...(traceparent && { traceparent }),
      data,
    };
  });
  const subject = isOrder ? String(first.orderid) : subjectOf(first);
  return [{ events }, headersOf(attributes('CompositeDomainEvent', subject))];
}

function subjectOf({ sku, reference, orderid }: ModelEvent): string {
  return String(sku ?? reference ?? orderid);
}

/** Returns the last sequence number of each product. */
function lastSequences(events: readonly HistoryRecord[]): ReadonlyMap<string, number> {
  const numbered = events
    .flatMap((each) => eventsIn(each))
    .flatMap(({ sku, sequence }) =>
      sequence === undefined ? [] : [[String(sku), sequence] as const],
    );
  return new Map(numbered);
}

function eventsIn({ headers, value }: HistoryRecord): readonly ModelEvent[] {
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
