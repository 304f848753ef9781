// @ts-check
import { session } from './api.js';
import { followEvents } from './event-stream.js';
import { Store } from './store.js';

/** The page keeps this many events, the newest. */
const MAX_EVENTS = 2_000;
/** A busy service publishes more events than a browser can draw one by one. */
const DRAW_EVERY_MS = 200;

/** @typedef {import('./types.js').CloudEvent} CloudEvent */

/**
 * What came since the section was opened first; newest first.
 *
 * @typedef {object} Buffered
 * @property {CloudEvent[]} events
 * @property {number} seen how many came
 * @property {'connecting' | 'open' | 'lost'} state
 * @property {import('./api.js').Problem | null} problem
 */

/** @type {Store<Buffered>} */
export const buffered = new Store({ events: [], seen: 0, state: 'connecting', problem: null });

/** Where the stream goes on when the section is opened again. */
const lastEventId = { current: /** @type {string | null} */ (null) };
/** @type {CloudEvent[]} */
let arrived = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawing;

/**
 * Follows the events until the caller ends it. Later, the stream goes on where it was.
 * @returns {() => void} ends it
 */
export function followAll() {
  const leaving = new AbortController();
  void followEvents(
    {
      onEvents: (events) => {
        arrived.push(...events);
        if (drawing === undefined) drawing = setTimeout(draw, DRAW_EVERY_MS);
      },
      onState: (state, problem) => buffered.set({ ...buffered.value, state, problem }),
    },
    { sku: null, lastEventId },
    leaving.signal,
  );
  return () => leaving.abort();
}

function draw() {
  drawing = undefined;
  const { events, seen } = buffered.value;
  const newest = arrived.slice(-MAX_EVENTS).reverse();
  buffered.set({
    ...buffered.value,
    events: [...newest, ...events].slice(0, MAX_EVENTS),
    seen: seen + arrived.length,
  });
  arrived = [];
}

/** Forgets what came so far. */
export function clearEvents() {
  buffered.set({ ...buffered.value, events: [], seen: 0 });
}

// The events of one user are not for the next.
session.subscribe(() => {
  if (session.value.token === null) clearEvents();
});
