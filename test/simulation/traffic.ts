import type { SimulatedLog } from './simulated-log.ts';
import type { World } from './world.ts';

export const SKUS = ['CHAIR', 'LAMP', 'TABLE', 'SHELF', 'STOOL'];
const UNREADABLE = [
  '{"type":"ShipOrder"}',
  'no JSON',
  '{"type":"AllocateOrder","orderid":"o","sku":"LAMP","qty":0}',
];
const ETAS = [null, null, '2026-02-01', '2026-03-01'];

const BURSTS = 5;
const LONGEST_BURST_MS = 300;
const LATEST_MS = 2_000;

/** An answer about this many names of this length is too large for one message. */
const ENORMOUS = { lines: 500, nameLength: 250 };
const ENORMOUS_RATE = 0.02;

/** In some histories commands have any key, and some follow another one just accepted. */
const ANY_KEY = { historyRate: 0.5, commandRates: [0.1, 0.1, 0.5], pairs: 12, longestPauseMs: 60 };
/**
 * In histories with reused ids, some commands come again at about the same time, perhaps through
 * another lane.
 */
const AGAIN = { sameRate: 0.05, otherRate: 0.05, withinMs: 40, otherKeyRate: 0.6 };
/** Each source counts its ids from 1. Null stands for plain JSON, which knows no source. */
const SOURCES = [null, '/shop', '/market'] as const;
const WITHOUT_ID_RATE = 0.1;

/** The name that a sender gives a command. Some commands have no `id`. */
interface Name {
  readonly source: (typeof SOURCES)[number];
  readonly id?: string;
}

interface Sent {
  readonly name: Name;
  readonly sku: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Told {
  readonly name: Name;
  readonly type: string;
  readonly data: object;
}

/**
 * Appends `count` commands to the topic over `withinMs`, of every kind and form, keyed by sku. Some
 * are unreadable. Some come again, sent once more or repeated by their producer. Some come late,
 * after commands that were sent behind them.
 * @param areIdsReused whether some ids come again with another body, which nobody may answer
 */
export function sendCommands(
  world: World,
  log: SimulatedLog,
  topic: string,
  count: number,
  withinMs: number,
  areIdsReused: boolean,
): void {
  const sent: Sent[] = [];
  for (const [index, sku] of SKUS.entries())
    sent.push(
      command(world, nameOf(world, index), sku, 'CreateBatch', {
        reference: `${sku}-first`,
        sku,
        quantity: 20,
      }),
    );
  while (sent.length < count) sent.push(anything(world, sent, areIdsReused));
  if (world.chance(ENORMOUS_RATE)) sent.push(enormous(world, sent.length));
  // Half of them come in bursts, so that a lane has one in hand while it publishes another.
  const bursts = Array.from({ length: BURSTS }, () => world.random() * withinMs);
  const times = sent
    .map(() =>
      world.chance(0.5)
        ? world.random() * withinMs
        : world.pick(bursts) + world.random() * LONGEST_BURST_MS,
    )
    .sort((a, b) => a - b);
  const hasAnyKeys = world.chance(ANY_KEY.historyRate);
  if (hasAnyKeys) sendPairs(world, log, topic, sent.length, withinMs);
  const anyKeyRate = hasAnyKeys ? world.pick(ANY_KEY.commandRates) : 0;
  // A command that is sent again keeps its key.
  const keys = new Map(
    sent.map((each) => [each, world.chance(anyKeyRate) ? anyKey(world) : each.sku]),
  );
  for (const [index, each] of sent.entries()) {
    const { value, headers } = each;
    const record = { key: keys.get(each) ?? each.sku, value, headers };
    const append = () => log.partition(topic, log.partitionOf(record)).append(record);
    const lateMs = world.chance(0.02) ? world.random() * LATEST_MS : 0;
    world.after((times[index] as number) + lateMs, append);
    if (world.chance(0.05))
      world.after((times[index] as number) + world.random() * LATEST_MS, append);
    if (areIdsReused)
      sendAgain(world, log, topic, each, {
        key: record.key,
        atMs: (times[index] as number) + lateMs,
      });
  }
}

/** Now and then sends the same command again, or another one with its id. */
function sendAgain(
  world: World,
  log: SimulatedLog,
  topic: string,
  sent: Sent,
  { key, atMs }: { readonly key: string; readonly atMs: number },
): void {
  const dice = world.random();
  if (dice > AGAIN.sameRate + AGAIN.otherRate || sent.name.id === undefined) return;
  const orderid = `once-more-${sent.name.source}-${sent.name.id}`;
  const other = () =>
    command(world, sent.name, sent.sku, 'AllocateOrder', { orderid, sku: sent.sku, qty: 1 });
  const { value, headers } = dice < AGAIN.sameRate ? sent : other();
  const record = { key: world.chance(AGAIN.otherKeyRate) ? anyKey(world) : key, value, headers };
  world.after(atMs + world.random() * AGAIN.withinMs, () =>
    log.partition(topic, log.partitionOf(record)).append(record),
  );
}

/**
 * Sends pairs of commands. The second follows once the first is accepted, perhaps to another lane,
 * and names what the first makes known.
 */
function sendPairs(
  world: World,
  log: SimulatedLog,
  topic: string,
  firstIndex: number,
  withinMs: number,
): void {
  const bursts = Array.from({ length: BURSTS }, () => world.random() * withinMs);
  for (let number = 0; number < ANY_KEY.pairs; number += 1) {
    const index = firstIndex + 2 * number;
    const [first, second] = world.pick(PAIRS)(`new-${index}`, world.pick(SKUS));
    const append = ({ type, ...data }: { readonly type: string }, place: number) => {
      const { value, headers } = command(world, nameOf(world, place), '', type, data);
      const record = { key: anyKey(world), value, headers };
      log.partition(topic, log.partitionOf(record)).append(record);
    };
    const atMs = world.pick(bursts) + world.random() * LONGEST_BURST_MS;
    world.after(atMs, () => append(first, index));
    world.after(atMs + world.random() * ANY_KEY.longestPauseMs, () => append(second, index + 1));
  }
}

type Typed = { readonly type: string } & Readonly<Record<string, unknown>>;

const PAIRS: readonly ((name: string, sku: string) => readonly [Typed, Typed])[] = [
  (orderid, sku) => [
    { type: 'AllocateOrder', orderid, sku, qty: 1 },
    { type: 'DeallocateOrder', orderid },
  ],
  (reference) => [
    { type: 'CreateBatch', reference, sku: reference, quantity: 10 },
    { type: 'ChangeBatchQuantity', reference, quantity: 5 },
  ],
  (name, sku) => [
    { type: 'CreateBatch', reference: name, sku: name, quantity: 10 },
    {
      type: 'AllocateOrder',
      orderid: name,
      lines: [name, sku].map((each) => ({ sku: each, qty: 1 })),
    },
  ],
];

const anyKey = (world: World) => `key-${world.between(0, 99)}`;

function anything(world: World, sent: readonly Sent[], areIdsReused: boolean): Sent {
  const sku = world.pick(SKUS);
  const index = sent.length;
  const name = nameOf(world, index);
  const orderid = `order-${world.between(0, index)}`;
  const dice = world.random();
  if (dice < 0.1) return world.pick(sent);
  if (dice < 0.14) return { sku, value: world.pick(UNREADABLE), headers: {}, name };
  if (dice < 0.22)
    return command(world, name, sku, 'CreateBatch', {
      reference: `${sku}-${index}`,
      sku,
      quantity: world.between(0, 20),
      ...eta(world),
    });
  if (dice < 0.32)
    return command(world, name, sku, 'ChangeBatchQuantity', {
      reference: `${sku}-first`,
      quantity: world.between(0, 30),
    });
  if (dice < 0.38) return command(world, name, sku, 'DeallocateOrder', { orderid, sku });
  if (dice < 0.43)
    return command(world, name, sku, 'DeallocateOrder', {
      orderid: world.pick([orderid, orderid.replace('order', 'large')]),
    });
  if (dice < 0.45 && areIdsReused)
    return command(world, world.pick(sent).name, sku, 'AllocateOrder', {
      orderid: `again-${index}`,
      sku,
      qty: 1,
    });
  if (dice > 0.9) {
    const lines = SKUS.map((each) => ({ sku: each, qty: world.between(1, 3) }));
    return command(world, name, sku, 'AllocateOrder', { orderid: `large-${index}`, lines });
  }
  return command(world, name, sku, 'AllocateOrder', {
    orderid: `order-${index}`,
    sku,
    qty: world.between(1, 6),
  });
}

/** Makes a command whose answer comes in several messages. */
function enormous(world: World, index: number): Sent {
  const { lines: count, nameLength } = ENORMOUS;
  const lines = Array.from({ length: count }, (_, line) => ({
    sku: String(line).padEnd(nameLength, '★'),
    qty: 1,
  }));
  return command(world, nameOf(world, index), world.pick(SKUS), 'AllocateOrder', {
    orderid: `enormous-${index}`.padEnd(nameLength, '★'),
    lines,
  });
}

/** Makes an ETA. Some commands have none. */
function eta(world: World): { readonly eta?: string | null } {
  return world.chance(0.2) ? {} : { eta: world.pick(ETAS) };
}

/** Names the `index`-th command. The sources take turns, and each counts by itself. */
function nameOf(world: World, index: number): Name {
  const source = SOURCES[index % SOURCES.length] ?? null;
  const isNamed = source !== null || !world.chance(WITHOUT_ID_RATE);
  return { source, ...(isNamed && { id: String(1 + Math.floor(index / SOURCES.length)) }) };
}

function command(world: World, name: Name, sku: string, type: string, data: object): Sent {
  const encode = name.source === null ? plain : world.pick([binary, structured]);
  return { name, sku, ...encode(world, { name, type, data }) };
}

type Encode = (world: World, told: Told) => Omit<Sent, 'sku' | 'name'>;

const plain: Encode = (world, { name: { id }, type, data }) => {
  const { traceparent, correlationid } = origin(world);
  return {
    value: JSON.stringify({ id, type, ...data }),
    headers: {
      ...(traceparent && { traceparent }),
      ...(correlationid && { ce_correlationid: correlationid }),
    },
  };
};

const binary: Encode = (world, { name, type, data }) => {
  const { traceparent, ...attributes } = {
    specversion: '1.0',
    ...name,
    type,
    ...origin(world),
    ...schema(world, type),
  };
  const headers = Object.fromEntries(
    Object.entries(attributes).map(([attribute, text]) => [`ce_${attribute}`, String(text)]),
  );
  return {
    value: JSON.stringify(data),
    headers: {
      'content-type': 'application/json',
      ...headers,
      ...(traceparent && { traceparent }),
    },
  };
};

const structured: Encode = (world, { name, type, data }) => ({
  value: JSON.stringify({
    specversion: '1.0',
    ...name,
    type,
    ...origin(world),
    ...schema(world, type),
    data,
  }),
  headers: { 'content-type': 'application/cloudevents+json' },
});

/** Some commands say what they belong to, and some of these say it in an invalid way. */
function origin(world: World): { readonly correlationid?: string; readonly traceparent?: string } {
  const hex = (length: number) =>
    Array.from({ length }, () => world.between(1, 15).toString(16)).join('');
  const trace = world.pick([
    () => undefined,
    () => `00-${hex(32)}-${hex(16)}-01`,
    () => `00-${'0'.repeat(32)}-${hex(16)}-01`,
  ])();
  return {
    ...(world.chance(0.5) && { correlationid: `talk-${world.between(1, 9)}` }),
    ...(trace && { traceparent: trace }),
  };
}

function schema(world: World, type: string): { readonly dataschema?: string } {
  return world.pick([
    {},
    { dataschema: `/allocation/schemas/${type}/1` },
    { dataschema: 'https://shop.example/schema' },
  ]);
}
