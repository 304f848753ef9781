import fc from 'fast-check';
import { type AbuseClass, abuse, FEW, from, SOME, unvaried } from './abuse-class.ts';
import { json, linesOf, order } from './message-parts.ts';

/** Orders with too many, too few or contradicting lines. */
export const orderLineAbuse: readonly AbuseClass[] = [
  abuse(
    '500 lines',
    'answered',
    unvaried,
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
  abuse('a line and lines', 'invalid-data', unvaried, (_, u) =>
    json(order(u, { lines: linesOf(u, 1) })),
  ),
  abuse('a missing field', 'invalid-data', from('orderid', 'sku', 'qty'), (field, u) =>
    json({ ...order(u), [field]: undefined }),
  ),
];
