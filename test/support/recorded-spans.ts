import type { SpanContext } from '@opentelemetry/api';
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Tracing } from '../../src/tracing/tracing.ts';

/** Traces whose spans stay in the memory of the test. New traces are sampled. */
export class RecordedSpans {
  readonly #exporter = new InMemorySpanExporter();
  readonly #provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })],
  });
  readonly tracing: Tracing = {
    tracer: this.#provider.getTracer('test'),
    messagingSystem: 'kafka',
    stop: () => this.#provider.shutdown(),
  };

  /** The spans that have ended. */
  get ended(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** Returns the one ended span of the name. */
  named(name: string): ReadableSpan {
    const [span, ...others] = this.ended.filter((each) => each.name === name);
    if (span && others.length === 0) return span;
    const names = this.ended.map((each) => each.name).join(', ');
    throw new Error(`${others.length + 1} spans are named ${name}; there are: ${names}`);
  }
}

/** Returns the ids of the spans that the span is linked to. */
export function linksOf({ links }: ReadableSpan): readonly string[] {
  return links.map(({ context }) => context.spanId);
}

/** Makes a span of somebody else. @param digit what its ids are of */
export function senderSpan(digit: string, isSampled = true): SpanContext & { traceparent: string } {
  const [traceId, spanId, flags] = [digit.repeat(32), digit.repeat(16), isSampled ? '01' : '00'];
  const traceparent = `00-${traceId}-${spanId}-${flags}`;
  return { traceId, spanId, traceFlags: Number(flags), traceparent };
}
