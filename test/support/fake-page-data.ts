/*
 * What the fake API answers: a shop on a quiet morning, with a few things to mend. The ids of some
 * things are hostile: they must appear as text.
 */

const START_MS = Date.parse('2026-11-28T09:00:00.000Z');
export const at = (seconds: number) => new Date(START_MS + seconds * 1_000).toISOString();

/** A name that runs a script in a page that takes text for HTML. */
export const HOSTILE = '<img src=x onerror="window.isHacked=1">';

export const PRODUCTS = 1_000_000;

export function statusOf(role: string | null, openLetters: number) {
  const lane = (partition: number, over: object = {}) => ({
    partition,
    instance: 'allocation-0',
    state: 'working',
    problem: null,
    position: 184_201 + partition * 977,
    committedOffset: 184_199 + partition * 977,
    endOffset: 184_204 + partition * 977,
    lagMessages: 3,
    lagSeconds: 0.08,
    lastReopening: null,
    paused: null,
    ...over,
  });
  return {
    service: {
      version: '1.0.0',
      instance: 'allocation-0',
      startedAt: at(-86_400),
      broker: 'kafka',
      database: 'postgresql',
      topics: {
        commands: 'allocation.commands',
        events: 'allocation.events',
        deadLetters: 'allocation.dead-letters',
      },
    },
    caller: role === null ? null : { name: 'Night shift', role },
    isReady: true,
    problems: [],
    lanes: [
      lane(0),
      lane(1, {
        lastReopening: { at: at(-4_000), cause: 'rebalance', message: 'allocation-1 joined' },
      }),
      lane(2, {
        state: 'paused',
        lagMessages: 412,
        lagSeconds: 318,
        paused: { by: 'Night shift', at: at(-318), reason: `the warehouse counts ${HOSTILE}` },
      }),
      lane(3, {
        instance: 'allocation-1',
        state: 'elsewhere',
        position: null,
        committedOffset: 150_881,
        endOffset: 150_884,
        lagMessages: null,
        lagSeconds: null,
      }),
    ],
    members: [
      { instance: 'allocation-0', host: '10.0.3.17', partitions: [0, 1, 2], isThis: true },
      { instance: 'allocation-1', host: '10.0.4.9', partitions: [3], isThis: false },
    ],
    areMembersKnown: true,
    deadLetters: { open: openLetters, oldestAt: openLetters > 0 ? at(0) : null, parked: 25_000 },
    recovery: { state: 'none', progress: null },
  };
}

/** An hour of a service whose load rises and falls, with one stop of a minute. */
export function historyOf() {
  const points = Array.from({ length: 720 }, (_, index) => {
    const isStopped = index > 430 && index < 442;
    const wave = 900 + 350 * Math.sin(index / 55) + 90 * Math.sin(index * 1.7);
    return {
      at: at((index - 720) * 5),
      commandsPerSecond: isStopped ? 0 : Math.round(wave),
      lagSeconds: isStopped ? (index - 430) * 5 : 0.1 + 0.05 * Math.sin(index / 7),
    };
  });
  return { stepSeconds: 5, points };
}

export const skuOf = (number: number) => `SKU-${String(number).padStart(7, '0')}`;

export function productOf(sku: string) {
  const batches = [
    { reference: 'batch-12', quantity: 200, availableQuantity: 0, eta: null },
    { reference: 'batch-19', quantity: 120, availableQuantity: 74, eta: null },
    { reference: HOSTILE, quantity: 400, availableQuantity: 400, eta: '2027-01-31' },
  ];
  return { sku, version: 214, batches, hasMoreBatches: false };
}

export function productHistoryOf(sku: string) {
  const events = Array.from({ length: 40 }, (_, index) => {
    const isShort = index % 9 === 4;
    const orderid = `order-${4_000 - index}`;
    return {
      id: `allocation.commands/1/${184_000 - index}`,
      type: isShort ? 'OutOfStock' : 'Allocated',
      at: at(-index * 37),
      sequence: 214 - index,
      place: `allocation.events/1/${220_000 - index}`,
      data: isShort
        ? { orderid, sku, qty: 90 }
        : { orderid, sku, qty: 1 + (index % 5), batchref: 'batch-19' },
    };
  });
  return { sku, events, hasMoreEvents: false };
}

export function wayOf(orderid: string) {
  const step = (seconds: number, kind: string, type: string | null, over: object = {}) => ({
    at: at(seconds),
    kind,
    place: `allocation.commands/1/${184_100 + Math.round(seconds)}`,
    key: 'SMALL-TABLE',
    type,
    commandId: 'cmd-77',
    eventId: null,
    sku: null,
    batchref: null,
    sequence: null,
    details: '',
    sortKey: `${at(seconds)} ${kind}`,
    ...over,
  });
  const event = {
    eventId: 'allocation.commands/1/184702',
    sku: 'SMALL-TABLE',
    batchref: 'batch-19',
  };
  const steps = [
    step(0, 'received', 'AllocateOrder', { details: `2 pieces ${HOSTILE}` }),
    step(4.2, 'dead-letter', 'AllocateOrder', {
      place: 'allocation.dead-letters/0/12',
      details: 'handler-failed: stock of SMALL-TABLE is locked by a report (55P03)',
    }),
    step(600, 'redriven', 'AllocateOrder', { details: 'by Night shift' }),
    step(600.4, 'received', 'AllocateOrder', { details: '2 pieces' }),
    step(600.45, 'decided', 'Allocated', { ...event, sequence: 118 }),
    step(600.5, 'published', 'Allocated', {
      ...event,
      sequence: 118,
      place: 'allocation.events/1/220117',
    }),
  ];
  return { orderid, steps, isComplete: true, next: null, searchedUntil: null };
}

export function auditOf() {
  const acts = Array.from({ length: 30 }, (_, index) => ({
    id: `act-${index}`,
    at: at(-index * 900),
    act: ['dead-letters redrive', 'lanes pause', 'dead-letters discard'][index % 3],
    state: index === 4 ? 'failed' : 'succeeded',
    by: index % 3 === 0 ? 'Night shift' : `Day shift ${index === 1 ? HOSTILE : ''}`,
    from: 'http',
    on: { count: index + 1, first: [`allocation.dead-letters/0/${index}`] },
    options: { all: false, maxRedrives: 3 },
  }));
  return { acts, hasMoreActs: false };
}

export function planOf() {
  return {
    lines: [
      'The rebuild reads all events, and writes a new database beside this one.',
      'The service stands still until the new database has taken the place of the old one.',
    ],
    command: 'npx allocation replay rebuild --execute',
    refusal: null,
    events: { topic: 'allocation.events', offsets: 881_204 },
    positions: [{ partition: 0, nextOffset: 184_201 }],
    seconds: 42,
  };
}

/** The event with this number, as the stream sends it. */
export function eventOf(number: number) {
  const kinds = ['Allocated', 'Allocated', 'OutOfStock', 'Allocated', 'CommandRejected'] as const;
  const type = kinds[number % kinds.length] ?? 'Allocated';
  const orderid = number === 3 ? HOSTILE : `order-${4_000 + number}`;
  const sku = `CHAIR-${number % 7}`;
  const data = {
    Allocated: { orderid, sku, qty: 1 + (number % 4), batchref: `batch-${number % 3}` },
    OutOfStock: { orderid, sku, qty: 90 },
    CommandRejected: {
      command: 'ChangeBatchQuantity',
      reason: 'unknown-batch',
      detail: '=cmd|calc',
      sku,
    },
  }[type];
  return {
    specversion: '1.0',
    id: `allocation.commands/0/${number}`,
    source: '/allocation',
    type,
    time: at(number / 3),
    sequence: String(number + 1),
    data,
  };
}
