import { asStructuredEvent } from '../../messages/structured-events.ts';
import type { ReceivedRecord } from '../../service-layer/records.ts';
import { formatPlaces, type Places } from './last-event-id.ts';

/** What a client of the stream gets at once, behind an id. */
export interface StreamEvent {
  /** The fields of the event, without its id. */
  readonly text: string;
  /** Tells whether a client that wants the events of the product wants this event. */
  isAbout(sku: string): boolean;
}

/** A record of the events topic, as a client of the stream gets it. */
export class ServerSentEvent implements StreamEvent {
  readonly text: string;
  readonly #event: Record<string, unknown>;

  constructor(record: ReceivedRecord) {
    this.#event = asStructuredEvent(record);
    this.text = `${field('event', this.#event.type)}data: ${asJson(this.#event, record)}\n\n`;
  }

  /** Tells whether the event, or one of the events in the composite, is about the product. */
  isAbout(sku: string): boolean {
    const { data } = this.#event;
    return skuOf(data) === sku || eventsIn(data).some((event) => skuOf(event?.data) === sku);
  }
}

/** Tells that a sample leaves records out. */
export class LeftOut implements StreamEvent {
  readonly text: string;

  constructor(count: number) {
    this.text = `event: gap\ndata: ${JSON.stringify({ reason: 'sampled', leftOut: count })}\n\n`;
  }

  /** Always true, because any product may have had events among the records. */
  isAbout(): boolean {
    return true;
  }
}

/** Returns the field with which a client can go on from here. Empty: the id would be too long. */
export function idField(places: Places): string {
  const id = formatPlaces(places);
  return id === '' ? '' : `id: ${id}\n`;
}

/** Returns the fields of an event that tells a program what the stream leaves out. */
export function gapFields(reason: string | null, beginning: Places): string {
  if (reason === null) return '';
  return `event: gap\ndata: ${JSON.stringify({ reason, beginning: formatPlaces(beginning) })}\n`;
}

function skuOf(data: unknown): unknown {
  return (data as { readonly sku?: unknown } | null | undefined)?.sku;
}

function eventsIn(data: unknown): readonly ({ readonly data?: unknown } | null)[] {
  const events = (data as { readonly events?: unknown } | null)?.events;
  return Array.isArray(events) ? events : [];
}

/**
 * Writes a field. A foreign record may lack the attribute, or have line ends in it, which would end
 * the field.
 */
function field(name: string, value: unknown): string {
  return typeof value === 'string' ? `${name}: ${value.replace(/[\0\r\n]/g, ' ')}\n` : '';
}

/** Writes the event as JSON. Data that is nested too deeply for that becomes text. */
function asJson(event: Record<string, unknown>, { value }: ReceivedRecord): string {
  try {
    return JSON.stringify(event);
  } catch {
    return JSON.stringify({ ...event, data: String(value) });
  }
}
