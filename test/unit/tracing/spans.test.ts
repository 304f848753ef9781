import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { endAfter, startBatchSpan } from '../../../src/tracing/spans.ts';
import { linksOf, RecordedSpans, senderSpan } from '../../support/recorded-spans.ts';

const options = { kind: SpanKind.CONSUMER, attributes: {} };
const [a, b, unsampled] = [senderSpan('a'), senderSpan('b'), senderSpan('c', false)];

describe('The span of a batch', () => {
  it('belongs to the trace of the first sampled message, and is linked to each', () => {
    const spans = new RecordedSpans();
    startBatchSpan(spans.tracing, 'process', options, [null, unsampled, b, a, b]).end();
    const span = spans.named('process');
    expect(span.parentSpanContext).toMatchObject({ traceId: b.traceId, spanId: b.spanId });
    expect(span.spanContext().traceId).toBe(b.traceId);
    expect(linksOf(span)).toEqual([b.spanId, a.spanId]);
  });

  it('is not exported when no message is sampled', () => {
    const spans = new RecordedSpans();
    const span = startBatchSpan(spans.tracing, 'process', options, [null, unsampled]);
    span.end();
    expect(span.spanContext()).toMatchObject({ traceId: unsampled.traceId, traceFlags: 0 });
    expect(spans.ended).toEqual([]);
  });

  it('begins a trace when no message names one', () => {
    const spans = new RecordedSpans();
    startBatchSpan(spans.tracing, 'process', options, [null]).end();
    expect(spans.named('process').parentSpanContext).toBeUndefined();
  });
});

describe('A span whose work fails', () => {
  it.each([
    ['code', Object.assign(new Error('secret'), { code: 'fenced' }), 'fenced'],
    ['name', new RangeError('secret'), 'RangeError'],
    ['text', 'secret', '_OTHER'],
  ])('notes the error by its %s, and throws it on', async (_, error, type) => {
    const spans = new RecordedSpans();
    const span = spans.tracing.tracer.startSpan('work');
    await expect(endAfter(span, Promise.reject(error))).rejects.toBe(error);
    const { status, attributes } = spans.named('work');
    expect(status).toEqual({ code: SpanStatusCode.ERROR });
    expect(attributes).toEqual({ 'error.type': type });
  });
});
