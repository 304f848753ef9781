import type { ServerResponse } from 'node:http';
import type { GatheredEvent } from './event-gathering.ts';
import type { Places } from './last-event-id.ts';
import { idField, type StreamEvent } from './server-sent-event.ts';

/** A client that leaves more unread is dropped, because it must not fill the service's memory. */
export const MAX_UNREAD_BYTES = 1024 * 1024;

/**
 * A client of the stream.
 *
 *   catching up ──has read what it missed──▶ live
 */
export interface Client {
  readonly response: ServerResponse;
  /** The product whose events the client wants; null: all events. */
  readonly sku: string | null;
  readonly closing: AbortController;
  isLive: boolean;
  /** Where the client stands; null: where the tail does. */
  places: Places | null;
}

/** Tells whether the client has asked for the event. */
export function wants({ sku }: Client, event: StreamEvent): boolean {
  return sku === null || event.isAbout(sku);
}

/** Sends the text, or drops a client that has left too much unread. */
export function send({ response }: Client, text: string | Buffer): void {
  if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  else if (text.length > 0) response.write(text);
}

/** Sends each live client the events that it wants and does not have yet, with one write. */
export function sendGathered(clients: Iterable<Client>, events: readonly GatheredEvent[]): void {
  let all: Buffer | null = null;
  for (const client of clients) {
    if (!client.isLive) continue;
    if (client.places) send(client, textBehind(client, client.places, events));
    else if (client.sku !== null) send(client, textOf(client, events));
    else {
      // These clients share one buffer, which is encoded and kept in memory once.
      all ??= Buffer.from(textOf(client, events));
      send(client, all);
    }
  }
}

function textOf(client: Client, events: readonly GatheredEvent[]): string {
  let text = '';
  for (const { id, event } of events) if (wants(client, event)) text += id + event.text;
  return text;
}

/** Passes over events that the client has read by itself, and moves the client's places. */
function textBehind(client: Client, places: Places, events: readonly GatheredEvent[]): string {
  let text = '';
  for (const { partition, nextOffset, event } of events) {
    if (nextOffset <= (places[partition] ?? 0)) continue;
    places[partition] = nextOffset;
    if (wants(client, event)) text += idField(places) + event.text;
  }
  return text;
}
