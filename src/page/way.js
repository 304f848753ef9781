// @ts-check
import { useEffect, useState } from '/page/lib/preact.js';
import { ask, Problem } from './api.js';
import { live } from './live.js';
import { useStore } from './store.js';

/** @typedef {import('./types.js').Step} Step */

/**
 * How far the search for the steps of an order is.
 *
 * @typedef {object} Way
 * @property {Step[]} steps oldest first
 * @property {boolean} isComplete
 * @property {{ at: string | null, offsets: number, ofOffsets: number } | null} searchedUntil
 * @property {Problem | null} problem
 */

/** @type {Way} */
const NOTHING = { steps: [], isComplete: false, searchedUntil: null, problem: null };

/**
 * Searches the topics for the way of an order, further and further back, until everything is found
 * or the user leaves.
 *
 * @param {string} orderid
 * @param {number} turn another number starts the search again
 * @returns {Way}
 */
export function useWay(orderid, turn) {
  const { revivals } = useStore(live);
  const [way, setWay] = useState(NOTHING);
  useEffect(() => {
    const leaving = new AbortController();
    void search(orderid, leaving.signal, setWay);
    return () => leaving.abort();
  }, [orderid, turn, revivals]);
  return way;
}

/**
 * @param {string} orderid
 * @param {AbortSignal} signal
 * @param {(way: Way) => void} onWay
 */
async function search(orderid, signal, onWay) {
  let way = NOTHING;
  /** @type {string | null} */
  let path = `/orders/${encodeURIComponent(orderid)}/way`;
  while (path !== null) {
    try {
      const answer = await ask(path, { signal });
      const { steps, isComplete, searchedUntil } = answer.data;
      way = { steps: merged(way.steps, steps), isComplete, searchedUntil, problem: null };
      path = isComplete ? null : answer.data.next;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      way = { ...way, problem: error };
      path = null;
    }
    onWay(way);
  }
}

/**
 * @param {readonly Step[]} known
 * @param {readonly Step[]} found
 * @returns {Step[]} all of them once, oldest first
 */
function merged(known, found) {
  const all = new Map([...known, ...found].map((step) => [keyOf(step), step]));
  return [...all.values()].sort((one, other) => (one.sortKey < other.sortKey ? -1 : 1));
}

/** @param {Step} step */
export function keyOf({ kind, place, eventId }) {
  return `${kind} ${place} ${eventId ?? ''}`;
}
