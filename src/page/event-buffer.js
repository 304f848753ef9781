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
 * The events since the section was first opened, the newest first.
 *
 * @typedef {object} Buffered
 * @property {CloudEvent[]} events
 * @property {number} seen how many came
 * @property {number} leftOut about how many the service left out, because too many came
 * @property {'connecting' | 'open' | 'lost'} state
 * @property {import('./api.js').Problem | null} problem
 * @property {string | null} gap why events are missing; null: none is
 */

/** @type {Store<Buffered>} */
export const buffered = new Store({
  events: [],
  seen: 0,
  leftOut: 0,
  state: 'connecting',
  problem: null,
  gap: null,
});

/** Where the stream goes on when the section is opened again. */
const lastEventId = { current: /** @type {string | null} */ (null) };
/** @type {CloudEvent[]} */
let arrived = [];
let arrivedCount = 0;
let leftOutCount = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawing;

/**
 * Follows the events until the caller ends that. The next call goes on where this one ended.
 * @returns {() => void} ends the following
 */
export function followAll() {
  const leaving = new AbortController();
  void followEvents(
    {
      onEvents: (events) => {
        arrivedCount += events.length;
        // A hidden tab draws only once a minute. Keep no more than the page can show.
        arrived = [...arrived, ...events].slice(-MAX_EVENTS);
        if (drawing === undefined) drawing = setTimeout(draw, DRAW_EVERY_MS);
      },
      onState: (state, problem) => buffered.set({ ...buffered.value, state, problem }),
      onGap: ({ reason, leftOut = 0 }) => {
        if (reason === 'sampled') leftOutCount += leftOut;
        else buffered.set({ ...buffered.value, gap: reason });
      },
    },
    { sku: null, lastEventId },
    leaving.signal,
  );
  return () => leaving.abort();
}

function draw() {
  drawing = undefined;
  const { events, seen, leftOut } = buffered.value;
  const newest = arrived.toReversed();
  buffered.set({
    ...buffered.value,
    events: [...newest, ...events].slice(0, MAX_EVENTS),
    seen: seen + arrivedCount,
    leftOut: leftOut + leftOutCount,
  });
  forgetArrived();
}

function forgetArrived() {
  [arrived, arrivedCount, leftOutCount] = [[], 0, 0];
}

/** Forgets what came so far. */
export function clearEvents() {
  forgetArrived();
  buffered.set({ ...buffered.value, events: [], seen: 0, leftOut: 0, gap: null });
}

// The events of one user are not for the next user.
let { token } = session.value;
session.subscribe(() => {
  if (session.value.token === token) return;
  token = session.value.token;
  lastEventId.current = null;
  clearEvents();
});
