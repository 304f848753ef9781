import {
  type Attributes,
  type Span,
  type SpanContext,
  type SpanKind,
  SpanStatusCode,
  TraceFlags,
} from '@opentelemetry/api';
import { ATTRIBUTES } from './semantic-conventions.ts';
import { childOf } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

/** Tells whether the spans of the trace are exported. */
export function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0;
}

/**
 * Starts the span of work on several messages. The span is linked to each sampled message, and
 * belongs to the trace of the first one. So the span is sampled if a message is, and the trace of a
 * message that comes alone has all the work on the message.
 *
 * @param messages where each message comes from; null: the message does not say
 */
export function startBatchSpan(
  { tracer }: Tracing,
  name: string,
  options: { readonly kind: SpanKind; readonly attributes: Attributes },
  messages: readonly (SpanContext | null)[],
): Span {
  const known = messages.filter((each) => each !== null);
  // Messages that were sent together come from one span.
  const sampled = [
    ...new Map(known.filter(isSampled).map((context) => [context.spanId, context])).values(),
  ];
  const links = sampled.map((context) => ({ context }));
  return tracer.startSpan(name, { ...options, links }, childOf(sampled[0] ?? known[0] ?? null));
}

/** Ends the span when the work is done. Notes an error of the work, and throws it on. */
export async function endAfter<T>(span: Span, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    noteError(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * Notes that the span's work has failed. The span gets only the code or the name of the error,
 * because the message may quote what somebody else wrote.
 */
export function noteError(span: Span, error: unknown): void {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  const type = [code, name].find((each) => typeof each === 'string') ?? '_OTHER';
  span.setAttribute(ATTRIBUTES.errorType, String(type));
  span.setStatus({ code: SpanStatusCode.ERROR });
}
