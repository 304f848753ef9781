import fc from 'fast-check';
import { type AbuseClass, abuse, from } from './abuse-class.ts';
import { spliced } from './damage.ts';
import { json, order, orderOf, text } from './message-parts.ts';

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

/** Names that are none, and strange names that are names. */
export const nameAbuse: readonly AbuseClass[] = [
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
];
