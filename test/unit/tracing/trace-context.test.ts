import { describe, expect, it } from 'vitest';
import { contextOf, headersOf } from '../../../src/tracing/trace-context.ts';
import { traceIdOf } from '../../../src/tracing/trace-id.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${spanId}-01`;

describe('The headers of a trace', () => {
  it.each([traceparent, Buffer.from(traceparent)])(
    'name a span, as text and as bytes',
    (header) => {
      expect(contextOf({ traceparent: header })).toEqual({
        traceId,
        spanId,
        traceFlags: 1,
        isRemote: true,
      });
      expect(traceIdOf(header)).toBe(traceId);
    },
  );

  it.each([
    ['absent', undefined],
    ['null', null],
    ['sent twice', [traceparent, traceparent]],
    ['of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['without a span', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['of version ff', `ff-${traceId}-${spanId}-01`],
    ['in capitals', traceparent.toUpperCase()],
    ['longer', `${traceparent}-00`],
  ])('name no span when traceparent is %s', (_, header) => {
    expect(contextOf({ traceparent: header, tracestate: 'a=b' })).toBeNull();
    expect(traceIdOf(header)).toBeUndefined();
  });

  it.each([
    { traceparent },
    { traceparent, tracestate: 'vendor=1,other=2' },
    { traceparent: traceparent.replace(/01$/, '00') },
  ])('come out as they came in: %j', (headers) => {
    const context = contextOf(headers);
    expect(context && headersOf(context)).toEqual(headers);
  });
});
