import type { ServerResponse } from 'node:http';
import type { Places } from './last-event-id.ts';
import type { ServerSentEvent } from './server-sent-event.ts';

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
export function wants({ sku }: Client, event: ServerSentEvent): boolean {
  return sku === null || event.isAbout(sku);
}

/** Sends the text, or drops a client that has left too much unread. */
export function send({ response }: Client, text: string): void {
  if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  else response.write(text);
}
