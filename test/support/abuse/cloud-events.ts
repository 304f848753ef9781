import fc from 'fast-check';
import { type AbuseClass, abuse, from, unvaried } from './abuse-class.ts';
import {
  binaryHeaders,
  data,
  json,
  order,
  structuredEvent,
  structuredType,
} from './message-parts.ts';

/** CloudEvents that break the rules of their form. */
export const cloudEventAbuse: readonly AbuseClass[] = [
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
  abuse('structured by its type, binary in fact', 'malformed', unvaried, (_, u) =>
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
  abuse('a batch of events', 'malformed', unvaried, (_, u) =>
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
];
