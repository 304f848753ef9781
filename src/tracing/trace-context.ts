import { createTraceState, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';

/** The headers of W3C Trace Context, which name the span that a message comes from. */
interface TraceHeaders {
  readonly traceparent?: unknown;
  readonly tracestate?: unknown;
}

const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * Reads which span a message comes from (W3C Trace Context, section 3.2).
 *
 * @returns null: `traceparent` is absent or not valid; `tracestate` then counts for nothing
 */
export function contextOf({ traceparent, tracestate }: TraceHeaders): SpanContext | null {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(textOf(traceparent)) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  const state = textOf(tracestate);
  return {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(state !== '' && { traceState: createTraceState(state) }),
  };
}

/** Makes the headers that name the span. A message with them comes from that span. */
export function headersOf({ traceId, spanId, traceFlags, traceState }: SpanContext): {
  readonly traceparent: string;
  readonly tracestate?: string;
} {
  const flags = traceFlags.toString(16).padStart(2, '0');
  const tracestate = traceState?.serialize() ?? '';
  return {
    traceparent: `00-${traceId}-${spanId}-${flags}`,
    ...(tracestate !== '' && { tracestate }),
  };
}

/** Makes the context of a span whose parent is the given one. Null: the span has no parent. */
export function childOf(parent: SpanContext | null) {
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

/** Returns a header as text. Empty: the header is absent, or came several times. */
function textOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  return typeof value === 'string' ? value : '';
}
