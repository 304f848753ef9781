import { type AbuseClass, abuse, unvaried } from './abuse-class.ts';
import { binaryHeaders, data, json, order } from './message-parts.ts';

/** Ids that come again. */
export const identityAbuse: readonly AbuseClass[] = [
  abuse('an id again, with other content', 'answered', unvaried, (_, u, n) =>
    json(order(u, { id: `again ${Math.floor(n / 5)}` })),
  ),
  abuse('an id again, in another form', 'answered', unvaried, (_, u, n) =>
    n % 2 === 0
      ? json(data(u), binaryHeaders(`form ${n}`))
      : json(order(u, { id: `form ${n - 1}` })),
  ),
  abuse('an id that is spoiled elsewhere: wrong', 'invalid-data', unvaried, (_, u, n) =>
    json(order(u, { qty: 0, id: `spoiled ${n}` })),
  ),
  abuse('an id that is spoiled elsewhere: right', 'answered', unvaried, (_, u, n) =>
    json(order(u, { id: `spoiled ${n}` })),
  ),
];
