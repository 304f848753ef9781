import fc from 'fast-check';
import { type AbuseClass, abuse, FEW, from, SOME, unvaried } from './abuse-class.ts';
import { anyBytes } from './damage.ts';
import { json, order, orderOf, text } from './message-parts.ts';

const MEBIBYTE = 1024 * 1024;

/** Headers, keys and sizes beyond what anybody expects. */
export const headerAndSizeAbuse: readonly AbuseClass[] = [
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
  abuse(
    'exactly 1 MiB',
    'answered',
    unvaried,
    (_, u) => text(orderOf(u, '1').padEnd(MEBIBYTE)),
    FEW,
  ),
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
    unvaried,
    (_, u) => json(order(u), { x: 'x'.repeat(2_000_000) }),
    FEW,
  ),
];
