// @ts-check
import { authorization, Problem, problemOf, withQuery } from './api.js';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5_000;

/** @typedef {{ reason: string, leftOut?: number }} Gap why events are missing, and how many */

/**
 * @typedef {object} Listener
 * @property {(events: import('./types.js').CloudEvent[]) => void} onEvents
 * @property {(state: 'open' | 'lost', problem: Problem | null) => void} onState
 * @property {(gap: Gap) => void} onGap called when the stream leaves events out
 */

/**
 * Follows the events of the service until the signal aborts. While more come than a person can look
 * at, the service sends a sample, because all of them would cost its lanes too much. A lost stream opens again behind the
 * last event that was read. The page reads the stream with `fetch`, because `EventSource` cannot
 * send a token.
 *
 * @param {Listener} listener
 * @param {{ sku: string | null, lastEventId: { current: string | null } }} place which events, and
 * where the stream goes on
 * @param {AbortSignal} signal
 */
export async function followEvents(listener, { sku, lastEventId }, signal) {
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const response = await fetch(withQuery('/events', { sku, sample: 'true' }), {
        headers: {
          ...authorization(),
          ...(lastEventId.current && { 'last-event-id': lastEventId.current }),
        },
        signal,
      });
      if (!response.ok || !response.body) throw await problemOf(response);
      listener.onState('open', null);
      pauseMs = FIRST_PAUSE_MS;
      await read(response.body, listener, lastEventId);
      listener.onState('lost', null);
    } catch (error) {
      if (signal.aborted) return;
      listener.onState('lost', error instanceof Problem ? error : null);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
  }
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {Listener} listener
 * @param {{ current: string | null }} lastEventId
 */
async function read(body, listener, lastEventId) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    const events = [];
    for (const block of blocks) {
      const { id, event, data } = fieldsOf(block);
      if (event === 'gap') listener.onGap(JSON.parse(data));
      else if (data !== '') events.push(JSON.parse(data));
      if (id !== null) lastEventId.current = id;
    }
    if (events.length > 0) listener.onEvents(events);
  }
}

/** @param {string} block the lines of one server-sent event */
function fieldsOf(block) {
  /** @type {string | null} */
  let id = null;
  let event = '';
  const data = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) id = line.slice(4);
    else if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('data: ')) data.push(line.slice(6));
  }
  return { id, event, data: data.join('\n') };
}
