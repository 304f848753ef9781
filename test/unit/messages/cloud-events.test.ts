import { describe, expect, it } from 'vitest';
import {
  MalformedMessageError,
  NAME,
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
    ['comes with plain JSON in its header', {}, { traceparent: TRACE }, TRACE],
    ['may be bytes', {}, { traceparent: Buffer.from(TRACE) }, TRACE],
    [
      'of a binary event comes in the header of its own',
      {},
      { ...binary, traceparent: TRACE, ce_traceparent: OTHER_TRACE },
      TRACE,
    ],
    [
      'of a binary event may come as its attribute',
      {},
      { ...binary, ce_traceparent: TRACE },
      TRACE,
    ],
    [
      'that is invalid gives way to a valid one',
      {},
      { ...binary, traceparent: 'no', ce_traceparent: TRACE },
      TRACE,
    ],
    [
      'of a structured event is its attribute',
      { ...event, traceparent: TRACE },
      { ...structured, traceparent: OTHER_TRACE },
      TRACE,
    ],
    [
      'of a structured event may come in the header',
      event,
      { ...structured, traceparent: TRACE },
      TRACE,
    ],
    ['that came twice is none', {}, { traceparent: [TRACE, OTHER_TRACE] }, null],
    ['that is not UTF-8 is none', {}, { traceparent: Buffer.from([0xff]) }, null],
    [
      'of zeros is none',
      {},
      { traceparent: TRACE.replace(/-[0-9a-f]{32}-/, `-${'0'.repeat(32)}-`) },
      null,
    ],
    [
      'whose span is zeros is none',
      {},
      { traceparent: TRACE.replace(/-[0-9a-f]{16}-/, `-${'0'.repeat(16)}-`) },
      null,
    ],
    ['of version ff is none', {}, { traceparent: TRACE.replace(/^00/, 'ff') }, null],
    ['that is a number is none', { ...event, traceparent: 1 }, structured, null],
  ])('%s', (_, body, headers, traceparent) => {
    expect(read(body, headers).traceparent).toBe(traceparent);
  });
});

describe('a correlation id', () => {
  it.each<[string, unknown, WireMessage['headers'], string | null]>([
    ['comes with a binary event in a header', {}, { ...binary, ce_correlationid: 'c' }, 'c'],
    [
      'comes with a structured event as an attribute',
      { ...event, correlationid: 'c' },
      structured,
      'c',
    ],
    ['may come with plain JSON in the same header', {}, { ce_correlationid: 'c' }, 'c'],
    ['may be absent', {}, binary, null],
  ])('%s', (_, body, headers, correlationId) => {
    expect(read(body, headers).correlationId).toBe(correlationId);
  });

  it.each<[string, unknown, WireMessage['headers']]>([
    ['a binary event', {}, { ...binary, ce_correlationid: '\n' }],
    ['a structured event', { ...event, correlationid: 5 }, structured],
    ['plain JSON', {}, { ce_correlationid: ['a', 'b'] }],
  ])('that is no name makes %s malformed', (_, body, headers) => {
    expect(() => read(body, headers)).toThrow(MalformedMessageError);
  });
});

describe('the form of a message', () => {
  it.each([
    'application/cloudevents+json',
    'Application/CloudEvents+JSON',
    'application/cloudevents+json; charset=UTF-8',
    'application/cloudevents',
  ])('is structured with the content type %s, whatever else its headers say', (type) => {
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

  it('is what its own headers say, not those of every object', () => {
    const headers = Object.create({
      ce_specversion: '0.3',
      'content-type': 'application/cloudevents+json',
      traceparent: TRACE,
    });
    expect(read({ type: 'T' }, headers)).toMatchObject({ id: null, type: 'T', traceparent: null });
  });

  it.each(['specversion', 'id', 'source', 'type'])('needs %s to be a CloudEvent', (attribute) => {
    expect(() => read({ ...event, [attribute]: undefined }, structured)).toThrow(attribute);
    expect(() => read({}, { ...binary, [`ce_${attribute}`]: undefined })).toThrow(attribute);
  });
});

it('reading pollutes no prototype', () => {
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
