import { describe, it } from 'vitest';
import {
  change,
  type Damage,
  damageAnswer,
  damageComposite,
  damagePart,
  expectFound,
  withHeader,
} from '../../support/damaged-history.ts';
import { TRACE } from '../../support/right-history.ts';

const damages: readonly Damage[] = [
  [
    'an answer that names another command',
    'wrong-id',
    ({ events }) => change(events, 3, withHeader('ce_causationid', 'id-9')),
  ],
  [
    'a part of a composite that names another command',
    'wrong-id',
    damagePart((part) => Object.assign(part, { causationid: 'id-9' })),
  ],
  ['an answer without its key', 'wrong-key', damageAnswer((record) => ({ ...record, key: null }))],
  [
    'an answer with the key of another product',
    'wrong-key',
    damageAnswer((record) => ({ ...record, key: 'b' })),
  ],
  [
    'a composite of an order with the key of a product',
    'wrong-key',
    damageComposite((record) => ({ ...record, key: 'a' })),
  ],
  ['an answer about another product', 'wrong-subject', damageAnswer(withHeader('ce_subject', 'b'))],
  [
    'a part of a composite about another product',
    'wrong-subject',
    damagePart((part) => Object.assign(part, { subject: 'c' })),
  ],
  [
    'an answer with another correlation id',
    'wrong-correlation',
    damageAnswer(withHeader('ce_correlationid', 'id-3')),
  ],
  [
    'an answer without a correlation id',
    'wrong-correlation',
    damageAnswer(withHeader('ce_correlationid', undefined)),
  ],
  [
    'a part of a composite with another correlation id',
    'wrong-correlation',
    damagePart((part) => Object.assign(part, { correlationid: 'another' })),
  ],
  [
    'an answer that does not continue the trace',
    'wrong-trace',
    damageAnswer(withHeader('traceparent', undefined)),
  ],
  [
    'a trace that no command has',
    'wrong-trace',
    damagePart((part) => Object.assign(part, { traceparent: TRACE.traceparent })),
  ],
  [
    'an answer without a schema',
    'wrong-dataschema',
    damageAnswer(withHeader('ce_dataschema', undefined)),
  ],
  [
    'a part of a composite with the schema of another type',
    'wrong-dataschema',
    damagePart((part) => Object.assign(part, { dataschema: '/allocation/schemas/OutOfStock/1' })),
  ],
  [
    'an answer from another source',
    'wrong-envelope',
    damageAnswer(withHeader('ce_source', '/other')),
  ],
  [
    'an answer with the wrong content type',
    'wrong-envelope',
    damageAnswer(withHeader('content-type', 'text/plain')),
  ],
  [
    'a part of a composite with another time',
    'wrong-envelope',
    damagePart((part) => Object.assign(part, { time: 'later' })),
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
