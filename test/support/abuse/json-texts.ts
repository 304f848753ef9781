import fc from 'fast-check';
import { type AbuseClass, abuse, from } from './abuse-class.ts';
import { truncated, withMore } from './damage.ts';
import { form, orderOf, text } from './message-parts.ts';

const DEPTH = 10_000;

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const nestedObjects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

/** Text that is no JSON, or JSON that is no message. */
export const jsonAbuse: readonly AbuseClass[] = [
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
];
