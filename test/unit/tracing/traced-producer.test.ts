import { SpanKind } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import type { OutgoingRecord } from '../../../src/service-layer/records.ts';
import { TracedProducer } from '../../../src/tracing/traced-producer.ts';
import { linksOf, RecordedSpans, senderSpan } from '../../support/recorded-spans.ts';

const [a, b] = [senderSpan('a'), senderSpan('b')];
const position = { topic: 'commands', partition: 0, group: 'group', nextOffset: 5 };

function producer(spans: RecordedSpans, publish: () => Promise<void> = async () => {}) {
  const published: unknown[] = [];
  const inner = {
    publish: (...args: unknown[]) => {
      published.push(args);
      return publish();
    },
    close: async () => {},
    settle: async () => {},
  };
  return { published, traced: new TracedProducer(inner, spans.tracing) };
}

const record = (topic: string, headers: Record<string, string>): OutgoingRecord => ({
  topic,
  key: null,
  value: null,
  headers,
});

describe('The publication of answers', () => {
  it('is a span that is linked to the decision about each', async () => {
    const spans = new RecordedSpans();
    const { traced, published } = producer(spans);
    const records = [
      record('events', { traceparent: a.traceparent }),
      record('events', { traceparent: b.traceparent }),
      record('events', {}),
    ];
    await traced.publish(records, position);
    expect(published).toEqual([[records, position]]);
    const span = spans.named('send events');
    expect(span.kind).toBe(SpanKind.PRODUCER);
    expect(span.parentSpanContext?.spanId).toBe(a.spanId);
    expect(linksOf(span)).toEqual([a.spanId, b.spanId]);
    expect(span.attributes).toEqual({
      'messaging.system.name': 'kafka',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'events',
      'messaging.batch.message_count': 3,
    });
  });

  it('names no topic when there are dead letters among the events', async () => {
    const spans = new RecordedSpans();
    const { traced } = producer(spans);
    await traced.publish([record('events', {}), record('dead-letters', {})], position);
    expect(spans.named('send').attributes).not.toHaveProperty('messaging.destination.name');
  });

  it('has no span when only the offset of the group moves', async () => {
    const spans = new RecordedSpans();
    const { traced, published } = producer(spans);
    await traced.publish([], position);
    expect(published).toEqual([[[], position]]);
    expect(spans.ended).toEqual([]);
  });

  it('throws what the broker throws', async () => {
    const error = new Error('fenced');
    const { traced } = producer(new RecordedSpans(), () => Promise.reject(error));
    await expect(traced.publish([record('events', {})], position)).rejects.toBe(error);
  });
});
