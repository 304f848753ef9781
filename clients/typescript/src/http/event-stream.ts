import { UnexpectedAnswerError } from '../errors.ts';
import type { AllocationEvent } from '../events/event.ts';
import { flatten, parseStructuredEvent } from '../events/parse-event.ts';
import { type Connection, pause, request } from './requests.ts';
import { LostStreamError, readServerSentEvents } from './server-sent-events.ts';

export interface EventStreamOptions {
  /**
   * Goes on behind this id: the events that were missed come first. `0/0` begins with the oldest
   * event. Absent: the stream begins with the events that are published from now on.
   */
  readonly lastEventId?: string;
  /** Only events about this product, and composites that have one. */
  readonly sku?: string;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
}

/** What one message of the stream brings. */
export interface StreamedEvents {
  /** How far the stream is, for each partition of the topic. */
  readonly lastEventId: string;
  /** The events of one message: one, all events of a composite, or none. */
  readonly events: readonly AllocationEvent[];
  /**
   * Whether events between the former id and this one are missing: the topic has deleted them, or
   * they were more than 100,000. A consumer that must see every event then reads Kafka.
   */
  readonly hasMissed: boolean;
}

/** The service sends something every 15 s. A connection that is silent for longer is dead. */
const SILENCE_MS = 45_000;
const PAUSE_MS = 500;

/** Reads `GET /events`. Opens the stream again behind the last id when the connection ends. */
export async function* streamEvents(
  connection: Connection,
  { lastEventId = '', sku, signal }: EventStreamOptions,
): AsyncGenerator<StreamedEvents, void> {
  const path = sku === undefined ? '/events' : `/events?sku=${encodeURIComponent(sku)}`;
  let last = lastEventId;
  while (!signal?.aborted) {
    const headers = { accept: 'text/event-stream', ...(last !== '' && { 'last-event-id': last }) };
    const closing = new AbortController();
    const signals = signal ? [signal, closing.signal] : [closing.signal];
    try {
      const either = AbortSignal.any(signals);
      const wanted = { method: 'GET', path, headers, signal: either } as const;
      const body = await request(connection, wanted, bodyOf);
      for await (const { id, event, data } of readServerSentEvents(body, SILENCE_MS)) {
        const hasMissed = event === 'gap';
        last = id ?? last;
        const events = hasMissed || data === null ? [] : flatten(parseStructuredEvent(parse(data)));
        if (id !== null || events.length > 0) yield { lastEventId: last, events, hasMissed };
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!(error instanceof LostStreamError)) throw error;
    } finally {
      closing.abort();
    }
    await pause(PAUSE_MS, signal).catch(() => {});
  }
}

function bodyOf(response: Response): ReadableStream<Uint8Array> {
  if (response.body && response.headers.get('content-type')?.startsWith('text/event-stream'))
    return response.body;
  throw new UnexpectedAnswerError(`${response.url} did not answer with server-sent events`);
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}
