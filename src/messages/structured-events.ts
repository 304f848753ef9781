import type { WireMessage } from './cloud-events.ts';
import { COMPOSITE } from './event-versions.ts';

/** Turns a published record into a structured CloudEvent, for people and server-sent events. */
export function asStructuredEvent(message: WireMessage): Record<string, unknown> {
  const event: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (name.startsWith('ce_') || name === 'traceparent')
      event[name.replace(/^ce_/, '')] = String(value);
  }
  return {
    ...event,
    datacontenttype: 'application/json',
    data: parseJson(message.value?.toString() ?? 'null'),
  };
}

/**
 * Turns a published record into its events, as structured CloudEvents. A composite has several
 * events; every other record is one event.
 */
export function structuredEventsOf(message: WireMessage): readonly object[] {
  const event = asStructuredEvent(message);
  const events = (event.data as { readonly events?: unknown } | null)?.events;
  return event.type === COMPOSITE && Array.isArray(events) ? events.map(Object) : [event];
}

/** Parses JSON. Returns other text as it is, because a foreign record may contain anything. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
