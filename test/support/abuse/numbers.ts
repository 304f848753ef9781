import { type AbuseClass, abuse, from } from './abuse-class.ts';
import { batch, json, order, orderOf, text } from './message-parts.ts';

/** Numbers and dates that are none, and oddly written ones. */
export const numberAbuse: readonly AbuseClass[] = [
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
];
