import fc from 'fast-check';
import type { LogRecord } from '../../src/service-layer/records.ts';

/**
 * The required outcome of a message. `judged`: the reader of commands decides, because nobody can
 * tell beforehand. `refused`: the log does not take the message. `ignored`: Kafka's message is
 * answered without a field that nobody knows, and HTTP refuses it.
 */
export type Outcome =
  | 'answered'
  | 'ignored'
  | 'malformed'
  | 'unknown-type'
  | 'invalid-data'
  | 'too-large'
  | 'judged'
  | 'refused';

/** One message of a class. */
export interface AbusiveMessage {
  readonly className: string;
  readonly outcome: Outcome;
  readonly record: LogRecord;
}

interface AbuseClass {
  readonly name: string;
  readonly outcome: Outcome;
  /** The number of messages. Null: the share of the class in the requested number. */
  readonly count: number | null;
  readonly records: (seed: number, count: number) => readonly LogRecord[];
}

type Made = Partial<LogRecord>;

const MEBIBYTE = 1024 * 1024;
const FEW = 4;
const SOME = 12;
const DEPTH = 10_000;

/**
 * Defines one class of messages.
 * @param make makes one message; `unique` is a name that no other message has, `index` counts
 * within the class
 */
function abuse<T>(
  name: string,
  outcome: Outcome,
  vary: fc.Arbitrary<T>,
  make: (value: T, unique: string, index: number) => Made,
  count: number | null = null,
): AbuseClass {
  const records = (seed: number, numRuns: number) =>
    fc.sample(vary, { seed, numRuns }).map((value, index) => {
      const unique = `${name.slice(0, 40)} ${index}`;
      return { key: unique, value: null, headers: {}, ...make(value, unique, index) };
    });
  return { name, outcome, count, records };
}

const one = fc.constant(null);
const from = fc.constantFrom;
const text = (value: string | Buffer, headers: LogRecord['headers'] = {}): Made => ({
  value: Buffer.from(value as string),
  headers,
});
const json = (value: unknown, headers: LogRecord['headers'] = {}) =>
  text(JSON.stringify(value), headers);
const data = (unique: string) => ({ orderid: unique, sku: unique, qty: 1 });
const order = (unique: string, fields: object = {}) => ({
  type: 'AllocateOrder',
  ...data(unique),
  ...fields,
});
const batch = (unique: string, fields: object = {}) => ({
  type: 'CreateBatch',
  reference: unique,
  sku: unique,
  quantity: 5,
  ...fields,
});
/** Returns the text of an order with a piece of JSON in place of its qty. */
const orderOf = (unique: string, qty: string) =>
  JSON.stringify(order(unique)).replace('"qty":1', `"qty":${qty}`);
const linesOf = (unique: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ sku: `${unique}/${n}`, qty: 1 }));
const binaryHeaders = (unique: string, more: LogRecord['headers'] = {}): LogRecord['headers'] => ({
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: unique,
  ce_source: '/shop',
  ce_type: 'AllocateOrder',
  ...more,
});
const structuredEvent = (unique: string, more: object = {}) => ({
  specversion: '1.0',
  id: unique,
  source: '/shop',
  type: 'AllocateOrder',
  data: data(unique),
  ...more,
});
const structuredType = { 'content-type': 'application/cloudevents+json' };

const nameField = from('orderid', 'sku');
const prototypeName = from(
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'valueOf',
  '__defineGetter__',
);
const controlCharacter = fc
  .oneof(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 127, max: 159 }))
  .map((code) => String.fromCharCode(code));
const loneSurrogate = fc
  .integer({ min: 0xd800, max: 0xdfff })
  .map((code) => String.fromCharCode(code));
const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 400 }).map((array) => Buffer.from(array));
const strangeCharacters = fc.string({
  minLength: 1,
  maxLength: 40,
  unit: from(
    'א',
    'ب',
    '\u202e',
    '\u200f',
    '\u200b',
    '\u200d',
    '\ufeff',
    'e\u0301',
    '\u0301',
    '👩‍👩‍👧',
    '\u2028',
    'ß',
    '🪑',
    '\uffff',
    '\u{10ffff}',
    ' ',
    '"',
    '\\',
  ),
});
const damage = fc.array(fc.tuple(fc.nat(100_000), fc.nat(255)), { minLength: 1, maxLength: 4 });
const form = from(
  (unique: string) => json(order(unique)),
  (unique: string) => json(batch(unique, { eta: '2027-01-01' })),
  (unique: string) => json({ type: 'DeallocateOrder', orderid: unique }),
  (unique: string) => json({ type: 'AllocateOrder', orderid: unique, lines: linesOf(unique, 3) }),
  (unique: string) => json(data(unique), binaryHeaders(unique)),
  (unique: string) => json(structuredEvent(unique), structuredType),
);
const brokenForm = fc.tuple(form, damage);

function damaged(
  made: Made,
  places: readonly (readonly [number, number])[],
  harm: (bytes: Buffer, at: number, value: number) => Buffer,
): Made {
  let value = made.value as Buffer;
  for (const [place, number] of places)
    if (value.length > 0) value = harm(value, place % value.length, number);
  return { ...made, value };
}

function withBitFlipped(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << (value % 8));
  return copy;
}

/** Puts `inserted` in place of the `removed` bytes at `at`. */
function spliced(
  bytes: Buffer,
  at: number,
  removed: number,
  inserted: Buffer = Buffer.alloc(0),
): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const nestedObjects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

/** All classes: name, required outcome, what varies, and how one message is made. */
const classes: readonly AbuseClass[] = [
  // Names
  abuse('NUL in a name', 'invalid-data', nameField, (field, u) =>
    json(order(u, { [field]: `${u}\u0000` })),
  ),
  abuse('NUL in the text', 'malformed', fc.nat(40), (at, u) =>
    text(spliced(Buffer.from(orderOf(u, '1')), at, 0, Buffer.alloc(1))),
  ),
  abuse('lone surrogates', 'invalid-data', fc.tuple(nameField, loneSurrogate), ([field, half], u) =>
    json(order(u, { [field]: u + half })),
  ),
  abuse(
    'control characters',
    'invalid-data',
    fc.tuple(nameField, controlCharacter),
    ([field, c], u) => json(order(u, { [field]: u + c })),
  ),
  abuse(
    'strange names that are names',
    'answered',
    fc.tuple(nameField, strangeCharacters),
    ([field, s], u) => json(order(u, { [field]: s })),
  ),
  abuse('255 code points', 'answered', from('🪑', 'x', 'é'), (c, u) =>
    json(order(u, { sku: c.repeat(255) })),
  ),
  abuse(
    '256 code points',
    'invalid-data',
    fc.tuple(nameField, from('🪑', 'x', 'é')),
    ([field, c], u) => json(order(u, { [field]: c.repeat(256) })),
  ),
  abuse(
    'names that are none',
    'invalid-data',
    fc.tuple(nameField, from('', 7, true, null, [], {}, ['a'])),
    ([field, v], u) => json(order(u, { [field]: v })),
  ),
  abuse('__proto__ as a key', 'ignored', prototypeName, (name, u) =>
    text(orderOf(u, `1,"${name}":{"qty":0,"sku":7}`)),
  ),
  abuse(
    'prototype names as names',
    'answered',
    fc.tuple(nameField, prototypeName),
    ([field, name], u) => json(order(u, { [field]: name })),
  ),
  abuse('prototype names as types', 'unknown-type', prototypeName, (type, u) =>
    json(order(u, { type })),
  ),
  abuse(
    'unknown types',
    'unknown-type',
    from('', 'allocateorder', 'AllocateOrder ', 'BatchCreated', 7, null, [], {}, '\u0000'),
    (type, u) => json(order(u, { type })),
  ),
  // Numbers
  abuse(
    'big and broken numbers',
    'invalid-data',
    from(
      '9007199254740992',
      '1e400',
      '-1e400',
      '1e308',
      '9'.repeat(5_000),
      '0',
      '-0',
      '-1',
      '1.5',
      '1e-400',
    ),
    (n, u) => text(orderOf(u, n)),
  ),
  abuse(
    'whole numbers, oddly written',
    'answered',
    from('1.0', '1e0', '10e-1', '0.1E+1', '9007199254740991', `1.${'0'.repeat(500)}`),
    (n, u) => text(orderOf(u, n)),
  ),
  abuse('quantity -0', 'answered', from('-0', '-0.0', '0e9', '-0e-9'), (n, u) =>
    text(JSON.stringify(batch(u)).replace(':5', `:${n}`)),
  ),
  abuse(
    'numbers as strings',
    'invalid-data',
    from('1', '1.0', '', ' 1', '0x1', true, null, [1], {}),
    (qty, u) => json(order(u, { qty })),
  ),
  abuse(
    'dates that do not exist',
    'invalid-data',
    from(
      '2026-02-30',
      '2026-13-01',
      '',
      '2026-1-1',
      '2026-01-01T00:00:00Z',
      5,
      '+002026-01-01',
      'null',
    ),
    (eta, u) => json(batch(u, { eta })),
  ),
  // JSON
  abuse(
    'depth 10,000 in a name',
    'invalid-data',
    from(nested(DEPTH), nestedObjects(DEPTH)),
    (deep, u) => text(orderOf(u, `1,"sku":${deep}`)),
    60,
  ),
  abuse(
    'depth 10,000 in a field that nobody reads',
    'ignored',
    from(nested(DEPTH), nestedObjects(DEPTH)),
    (deep, u) => text(orderOf(u, `1,"note":${deep}`)),
    60,
  ),
  abuse(
    'depth 10,000 and nothing else',
    'malformed',
    from(nested(DEPTH), '['.repeat(DEPTH), '{"a":'.repeat(DEPTH)),
    (deep) => text(deep),
    60,
  ),
  abuse(
    'no object',
    'malformed',
    from('7', 'null', '[]', '"text"', 'true', '[{"type":"AllocateOrder"}]'),
    (value) => text(value),
  ),
  abuse(
    'no JSON',
    'malformed',
    from(
      "{'type':1}",
      '{"a":NaN}',
      '{"a":1,}',
      '{/**/}',
      '{a:1}',
      '<a/>',
      '{"a":01}',
      '{"a":"\n"}',
      '{"a":+1}',
      '\ud83e',
    ),
    (value) => text(value),
  ),
  abuse('truncated JSON', 'malformed', fc.tuple(form, fc.nat(100_000)), ([make, at], u) =>
    truncated(make(u), at),
  ),
  abuse(
    'JSON and more',
    'malformed',
    fc.tuple(form, from('}', '{}', ',', '\u0000', 'x', '\ufeff')),
    ([make, more], u) => withMore(make(u), more),
  ),
  abuse('duplicate keys, the last is right', 'answered', from('0', '"x"', 'null'), (wrong, u) =>
    text(orderOf(u, `${wrong},"qty":1`)),
  ),
  abuse('duplicate keys, the last is wrong', 'invalid-data', from('0', '"x"', 'null'), (wrong, u) =>
    text(orderOf(u, `1,"qty":${wrong}`)),
  ),
  abuse('white space and escapes', 'answered', from(' ', '\n\t\r '), (space, u) =>
    text(space + orderOf(u, `${space}1${space}`).replace('sku', '\\u0073ku') + space),
  ),
  // Bytes
  abuse(
    'bad UTF-8',
    'malformed',
    from(
      [0xff],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0x80],
      [0xe2, 0x82],
      [0xf0, 0x9f],
    ),
    (bytes, u) => text(spliced(Buffer.from(orderOf(u, '1')), 30, 0, Buffer.from(bytes))),
  ),
  abuse('UTF-16', 'malformed', from('', '\ufeff'), (mark, u) =>
    text(Buffer.from(mark + orderOf(u, '1'), 'utf16le')),
  ),
  abuse('UTF-16, the other way round', 'malformed', from('', '\ufeff'), (mark, u) =>
    text(Buffer.from(mark + orderOf(u, '1'), 'utf16le').swap16()),
  ),
  abuse('a UTF-8 byte order mark', 'answered', one, (_, u) => text(`\ufeff${orderOf(u, '1')}`)),
  abuse('empty', 'malformed', from('', ' ', '\n', '\ufeff'), (value) => text(value)),
  abuse('tombstones', 'malformed', fc.boolean(), (isEvent, u) => ({
    value: null,
    headers: isEvent ? binaryHeaders(u) : {},
  })),
  abuse('random bytes', 'judged', anyBytes, (bytes) => text(bytes)),
  abuse('flipped bits', 'judged', brokenForm, ([make, places], u) =>
    damaged(make(u), places, withBitFlipped),
  ),
  abuse('deleted bytes', 'judged', brokenForm, ([make, places], u) =>
    damaged(make(u), places, (bytes, at, n) => spliced(bytes, at, 1 + (n % 5))),
  ),
  abuse('inserted bytes', 'judged', brokenForm, ([make, places], u) =>
    damaged(make(u), places, (bytes, at, n) => spliced(bytes, at, 0, Buffer.from([n]))),
  ),
  abuse('repeated pieces', 'judged', brokenForm, ([make, places], u) =>
    damaged(make(u), places, (bytes, at, n) => spliced(bytes, at, 0, bytes.subarray(at, at + n))),
  ),
  abuse('random JSON', 'judged', fc.json(), (value) => text(value)),
  abuse(
    'random data of a known type',
    'judged',
    fc.tuple(
      from('CreateBatch', 'AllocateOrder', 'ChangeBatchQuantity', 'DeallocateOrder'),
      fc.dictionary(
        from('orderid', 'sku', 'qty', 'lines', 'reference', 'quantity', 'eta'),
        fc.jsonValue(),
      ),
    ),
    ([type, fields]) => json({ type, ...fields }),
  ),
  // Orders
  abuse(
    '500 lines',
    'answered',
    one,
    (_, u) => json({ type: 'AllocateOrder', orderid: u, lines: linesOf(u, 500) }),
    FEW,
  ),
  abuse(
    '501 lines',
    'invalid-data',
    fc.integer({ min: 501, max: 600 }),
    (n, u) => json({ type: 'AllocateOrder', orderid: u, lines: linesOf(u, n) }),
    SOME,
  ),
  abuse('a sku twice', 'invalid-data', fc.integer({ min: 1, max: 20 }), (n, u) =>
    json({ type: 'AllocateOrder', orderid: u, lines: [...linesOf(u, n), ...linesOf(u, 1)] }),
  ),
  abuse(
    'lines that are none',
    'invalid-data',
    from([], {}, null, 'x', [null], [[]], [{}], [{ sku: 's' }], [{ sku: 's', qty: '1' }]),
    (lines, u) => json({ type: 'AllocateOrder', orderid: u, lines }),
  ),
  abuse('a line and lines', 'invalid-data', one, (_, u) =>
    json(order(u, { lines: linesOf(u, 1) })),
  ),
  abuse('a missing field', 'invalid-data', from('orderid', 'sku', 'qty'), (field, u) =>
    json({ ...order(u), [field]: undefined }),
  ),
  // CloudEvents
  abuse(
    'headers that contradict the body',
    'ignored',
    from({ type: 'CreateBatch' }, { id: 7 }, { specversion: '9' }),
    (more, u) => json({ ...data(u), ...more }, binaryHeaders(u)),
  ),
  abuse(
    'a header twice',
    'malformed',
    from('ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'content-type', 'ce_correlationid'),
    (name, u) => json(data(u), binaryHeaders(u, { [name]: ['1.0', '1.0'] })),
  ),
  abuse('other headers twice', 'answered', from('traceparent', 'x', 'ce_subject'), (name, u) =>
    json(data(u), binaryHeaders(u, { [name]: ['a', 'a'] })),
  ),
  abuse('structured by its type, binary in fact', 'malformed', one, (_, u) =>
    json(data(u), binaryHeaders(u, structuredType)),
  ),
  abuse(
    'structured in fact, with contradicting headers',
    'answered',
    from('0.3', '1.0'),
    (ce_specversion, u) =>
      json(structuredEvent(u), {
        ...binaryHeaders('another id'),
        ce_type: 'CreateBatch',
        ce_specversion,
        ...structuredType,
      }),
  ),
  abuse(
    'structured types, oddly written',
    'answered',
    from('Application/CloudEvents+JSON', 'application/cloudevents+json; charset=utf-8'),
    (type, u) => json(structuredEvent(u), { 'content-type': type }),
  ),
  abuse('a batch of events', 'malformed', one, (_, u) =>
    json([structuredEvent(u)], { 'content-type': 'application/cloudevents-batch+json' }),
  ),
  abuse('data_base64', 'malformed', from(null, '', 'e30='), (data_base64, u) =>
    json(structuredEvent(u, { data_base64 }), structuredType),
  ),
  abuse('no data', 'invalid-data', from(undefined, null, [], 'x', 7), (none, u) =>
    json(structuredEvent(u, { data: none }), structuredType),
  ),
  abuse(
    'a wrong specversion',
    'malformed',
    from('0.3', '1', '1.0 ', '', '2.0', 'x'.repeat(1_000)),
    (ce_specversion, u) => json(data(u), binaryHeaders(u, { ce_specversion })),
  ),
  abuse(
    'a wrong structured specversion',
    'malformed',
    from('0.3', 1, 1.0, null, [], {}),
    (specversion, u) => json(structuredEvent(u, { specversion }), structuredType),
  ),
  abuse(
    'a missing attribute',
    'malformed',
    from('ce_specversion', 'ce_id', 'ce_source', 'ce_type'),
    (name, u) => json(data(u), binaryHeaders(u, { [name]: undefined })),
  ),
  abuse(
    'attributes that are none',
    'malformed',
    fc.tuple(
      from('ce_id', 'ce_source', 'ce_correlationid'),
      from('', '\u0000', 'x'.repeat(256), '\n'),
    ),
    ([name, value], u) => json(data(u), binaryHeaders(u, { [name]: value })),
  ),
  abuse(
    'a header that is not UTF-8',
    'malformed',
    from('ce_id', 'ce_type', 'ce_source', 'content-type'),
    (name, u) => json(data(u), binaryHeaders(u, { [name]: Buffer.from([0xff]) })),
  ),
  abuse(
    'a traceparent that is none',
    'answered',
    from('', 'x', '00-0-0-00', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`),
    (traceparent, u) => json(order(u), { traceparent }),
  ),
  abuse(
    'ids that are none',
    'malformed',
    from('', 7, {}, [], true, 'x'.repeat(256), '\u0000', '\ud800'),
    (id, u) => json(order(u, { id })),
  ),
  // Identity
  abuse('an id again, with other content', 'answered', one, (_, u, n) =>
    json(order(u, { id: `again ${Math.floor(n / 5)}` })),
  ),
  abuse('an id again, in another form', 'answered', one, (_, u, n) =>
    n % 2 === 0
      ? json(data(u), binaryHeaders(`form ${n}`))
      : json(order(u, { id: `form ${n - 1}` })),
  ),
  abuse('an id that is spoiled elsewhere: wrong', 'invalid-data', one, (_, u, n) =>
    json(order(u, { qty: 0, id: `spoiled ${n}` })),
  ),
  abuse('an id that is spoiled elsewhere: right', 'answered', one, (_, u, n) =>
    json(order(u, { id: `spoiled ${n}` })),
  ),
  // Headers, keys, sizes
  abuse('forged dead letters', 'malformed', fc.nat(9), (n) =>
    text('not json', {
      'dead-letter-offset': String(n),
      'dead-letter-reason': ['invalid-data', 'x'],
      'dead-letter-topic': '',
    }),
  ),
  abuse('forged markers', 'malformed', fc.nat(9), (n) =>
    text('not json', {
      'dead-letter-resolves': `dead-letters/0/${n}`,
      'dead-letter-resolution': 'discarded',
    }),
  ),
  abuse(
    'strange header names',
    'malformed',
    from('constructor', 'toString', '', ' ', 'é\u0000'),
    (name) => text('not json', { [name]: ['a', 'b'] }),
  ),
  abuse(
    'huge headers',
    'answered',
    fc.integer({ min: 10_000, max: 60_000 }),
    (size, u) => json(order(u), { x: 'x'.repeat(size) }),
    SOME,
  ),
  abuse(
    'huge headers on a bad message',
    'malformed',
    fc.integer({ min: 10_000, max: 60_000 }),
    (size) => text('{', { x: 'x'.repeat(size) }),
    SOME,
  ),
  abuse(
    'thousands of headers',
    'answered',
    fc.integer({ min: 1_000, max: 5_000 }),
    (n, u) =>
      json(order(u), Object.fromEntries(Array.from({ length: n }, (_, i) => [`h${i}`, '']))),
    SOME,
  ),
  abuse(
    'strange keys',
    'answered',
    fc.oneof(anyBytes, from(null, '', 'k'.repeat(60_000))),
    (key, u) => ({ ...json(order(u)), key }),
    60,
  ),
  abuse(
    'a header named __proto__',
    'malformed',
    from('a', 'b'),
    (v) => text('not json', Object.fromEntries([['__proto__', v]])),
    SOME,
  ),
  abuse(
    'a header named __proto__, twice',
    'malformed',
    from('a', 'b'),
    (v) => text('not json', Object.fromEntries([['__proto__', [v, v]]])),
    SOME,
  ),
  abuse(
    'tens of thousands of headers',
    'malformed',
    from(30_000, 60_000),
    (n) => text('not json', Object.fromEntries(Array.from({ length: n }, (_, i) => [`h${i}`, '']))),
    FEW,
  ),
  abuse('exactly 1 MiB', 'answered', one, (_, u) => text(orderOf(u, '1').padEnd(MEBIBYTE)), FEW),
  abuse(
    'a little over 1 MiB',
    'too-large',
    fc.integer({ min: 1, max: 60_000 }),
    (more, u) => text(orderOf(u, '1').padEnd(MEBIBYTE + more)),
    FEW,
  ),
  abuse(
    '5 MB',
    'refused',
    from(' ', 'x', '🪑'),
    (c, u) => text(orderOf(u, '1').padEnd(5_000_000 / c.length, c)),
    FEW,
  ),
  abuse(
    '2 MB of headers',
    'refused',
    one,
    (_, u) => json(order(u), { x: 'x'.repeat(2_000_000) }),
    FEW,
  ),
];

function truncated(made: Made, at: number): Made {
  const value = made.value as Buffer;
  return { ...made, value: value.subarray(0, 1 + (at % (value.length - 1))) };
}

function withMore(made: Made, more: string): Made {
  return { ...made, value: Buffer.concat([made.value as Buffer, Buffer.from(more)]) };
}

/** The number of classes. */
export const classCount = classes.length;

/**
 * Returns at least `count` messages of all classes, class by class. The same seed gives the same
 * messages.
 */
export function abusiveMessages(seed: number, count: number): readonly AbusiveMessage[] {
  const fixed = classes.reduce((sum, each) => sum + (each.count ?? 0), 0);
  const share = Math.ceil((count - fixed) / classes.filter((each) => each.count === null).length);
  return classes.flatMap(({ name, outcome, count: own, records }, index) =>
    records(seed + index, own ?? share).map((record) => ({ className: name, outcome, record })),
  );
}
