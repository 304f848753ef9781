import fc from 'fast-check';
import { type AbuseClass, abuse, from, unvaried } from './abuse-class.ts';
import { anyBytes, brokenForm, damaged, spliced, withBitFlipped } from './damage.ts';
import { binaryHeaders, json, orderOf, text } from './message-parts.ts';

/** Bytes that are no text, and good messages that are damaged. */
export const byteAbuse: readonly AbuseClass[] = [
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
  abuse('a UTF-8 byte order mark', 'answered', unvaried, (_, u) =>
    text(`\ufeff${orderOf(u, '1')}`),
  ),
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
];
