import { describe, expect, it } from 'vitest';
import {
  MalformedMessageError,
  NAME,
  quote,
  readEnvelope,
  type WireMessage,
} from '../../../src/messages/cloud-events.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER_TRACE = '00-11111111111111111111111111111111-2222222222222222-00';
const binary = { ce_specversion: '1.0', ce_id: 'id', ce_source: '/shop', ce_type: 'T' };
const structured = { 'content-type': 'application/cloudevents+json' };
const event = { specversion: '1.0', id: 'id', source: '/shop', type: 'T', data: {} };

const read = (body: unknown, headers: WireMessage['headers'] = {}) =>
  readEnvelope({ value: Buffer.from(JSON.stringify(body)), headers });

describe('a trace', () => {
  it.each<[string, unknown, WireMessage['headers'], string | null]>([
    ['of plain JSON is read from its header', {}, { traceparent: TRACE }, TRACE],
    ['is read from bytes too', {}, { traceparent: Buffer.from(TRACE) }, TRACE],
    [
      'of a binary event is read from traceparent before ce_traceparent',
      {},
      { ...binary, traceparent: TRACE, ce_traceparent: OTHER_TRACE },
      TRACE,
    ],
    [
      'of a binary event is read from ce_traceparent if there is no other',
      {},
      { ...binary, ce_traceparent: TRACE },
      TRACE,
    ],
    [
      'that is invalid gives way to a valid ce_traceparent',
      {},
      { ...binary, traceparent: 'no', ce_traceparent: TRACE },
      TRACE,
    ],
    [
      'of a structured event is read from its attribute before the header',
      { ...event, traceparent: TRACE },
      { ...structured, traceparent: OTHER_TRACE },
      TRACE,
    ],
    [
      'of a structured event is read from the header if there is no other',
      event,
      { ...structured, traceparent: TRACE },
      TRACE,
    ],
    ['that comes twice is ignored', {}, { traceparent: [TRACE, OTHER_TRACE] }, null],
    ['that is not UTF-8 is ignored', {}, { traceparent: Buffer.from([0xff]) }, null],
    [
      'of zeros is ignored',
      {},
      { traceparent: TRACE.replace(/-[0-9a-f]{32}-/, `-${'0'.repeat(32)}-`) },
      null,
    ],
    [
      'with a span of zeros is ignored',
      {},
      { traceparent: TRACE.replace(/-[0-9a-f]{16}-/, `-${'0'.repeat(16)}-`) },
      null,
    ],
    ['of version ff is ignored', {}, { traceparent: TRACE.replace(/^00/, 'ff') }, null],
    ['that is a number is ignored', { ...event, traceparent: 1 }, structured, null],
  ])('%s', (_, body, headers, traceparent) => {
    expect(read(body, headers).traceparent).toBe(traceparent);
  });
});

describe('a correlation id', () => {
  it.each<[string, unknown, WireMessage['headers'], string | null]>([
    ['of a binary event is read from its header', {}, { ...binary, ce_correlationid: 'c' }, 'c'],
    [
      'of a structured event is read from its attribute',
      { ...event, correlationid: 'c' },
      structured,
      'c',
    ],
    ['of plain JSON is read from the same header', {}, { ce_correlationid: 'c' }, 'c'],
    ['may be absent', {}, binary, null],
  ])('%s', (_, body, headers, correlationId) => {
    expect(read(body, headers).correlationId).toBe(correlationId);
  });

  it.each<[string, unknown, WireMessage['headers']]>([
    ['a binary event', {}, { ...binary, ce_correlationid: '\n' }],
    ['a structured event', { ...event, correlationid: 5 }, structured],
    ['plain JSON', {}, { ce_correlationid: '\n' }],
    ['plain JSON with two of them', {}, { ce_correlationid: ['a', 'b'] }],
  ])('that is not a valid name makes %s malformed', (_, body, headers) => {
    expect(() => read(body, headers)).toThrow(MalformedMessageError);
    expect(() => read(body, headers)).toThrow(/^(The header ce_)?correlationid /);
  });
});

describe('the form of a message', () => {
  it.each(['specversion', 'id', 'source', 'type'])(
    'is binary mode as soon as there is a header ce_%s',
    (attribute) => {
      const headers = { [`ce_${attribute}`]: '1.0' };
      expect(() => read({ type: 'T' }, headers)).toThrow(MalformedMessageError);
    },
  );

  it.each([
    'application/cloudevents+json',
    'Application/CloudEvents+JSON',
    'application/cloudevents+json; charset=UTF-8',
    'application/cloudevents',
  ])('is structured with the content type %s', (type) => {
    expect(read(event, { ...binary, ce_id: 'other', 'content-type': type }).id).toBe('id');
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'text/plain', ''])(
    'is plain JSON with the content type "%s"',
    (type) => {
      expect(read({ type: 'T', id: 'mine' }, { 'content-type': type })).toMatchObject({
        id: 'mine',
        type: 'T',
      });
    },
  );

  it('does not depend on headers that are inherited from the prototype', () => {
    const headers = Object.create({
      ce_specversion: '0.3',
      'content-type': 'application/cloudevents+json',
      traceparent: TRACE,
    });
    expect(read({ type: 'T' }, headers)).toMatchObject({ id: null, type: 'T', traceparent: null });
  });

  it.each(['specversion', 'id', 'source', 'type'])(
    'is not a CloudEvent without %s',
    (attribute) => {
      expect(() => read({ ...event, [attribute]: undefined }, structured)).toThrow(attribute);
      expect(() => read({}, { ...binary, [`ce_${attribute}`]: undefined })).toThrow(attribute);
    },
  );
});

describe('the bytes of a message', () => {
  it.each<[string, Buffer | null, string]>([
    ['that are absent', null, 'The message has no value (a tombstone)'],
    ['that are empty', Buffer.alloc(0), 'The value is empty'],
    ['that are not UTF-8', Buffer.from([0xff]), 'The value is not UTF-8'],
    ['that are not JSON', Buffer.from('{'), 'The value is not JSON: '],
    ['that are no object', Buffer.from('7'), 'The value must be a JSON object, not 7'],
    ['that are null', Buffer.from('null'), 'The value must be a JSON object, not null'],
  ])('%s make the message malformed', (_, value, message) => {
    expect(() => readEnvelope({ value, headers: {} })).toThrow(
      expect.objectContaining({
        constructor: MalformedMessageError,
        code: 'malformed',
        message: expect.stringContaining(message),
      }),
    );
  });

  it.each([
    [Buffer.from([0xff]), {}],
    [Buffer.from('{'), {}],
    [Buffer.from('{}'), { 'content-type': Buffer.from([0xff]) }],
  ])('that cannot be read are refused with the cause', (value, headers) => {
    expect(() => readEnvelope({ value, headers })).toThrow(
      expect.objectContaining({ cause: expect.any(Error) }),
    );
  });
});

it.each([
  [null, 'absent'],
  [undefined, 'absent'],
  [[1], 'an array'],
  [{ a: 1 }, 'an object'],
  ['a', '"a"'],
  [7, '7'],
  ['x'.repeat(200), `"${'x'.repeat(79)}`],
])('the value %o is quoted as %s', (value, text) => {
  expect(quote(value)).toBe(text);
});

it('reading a message pollutes no prototype', () => {
  const value = Buffer.from(
    '{"type":"T","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  );
  expect(readEnvelope({ value, headers: {} }).type).toBe('T');
  expect({}).not.toHaveProperty('polluted');
});

describe('a name', () => {
  it.each(['a', '🪑'.repeat(255), 'a/b c', '__proto__', '\u2028', ' '])('may be %j', (text) => {
    expect(text).toMatch(NAME);
  });

  it.each(['', 'x'.repeat(256), 'a\u0000', '\u0007', '\u007f', '\u0085', '\ud800', 'a\udc00b'])(
    'may not be %j',
    (text) => {
      expect(text).not.toMatch(NAME);
    },
  );
});
