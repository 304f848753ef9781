// @ts-check
import { useEffect, useState } from '/page/lib/preact.js';
import { ask, Problem, session } from './api.js';
import { live } from './live.js';
import { useStore } from './store.js';

/**
 * What the service answers to a question. While a newer answer is under way, the former one stays.
 *
 * @typedef {object} Answer
 * @property {any} data null: there is no answer yet
 * @property {string | null} next the path of the next page
 * @property {Problem | null} problem
 * @property {boolean} isLoading whether the question changed, and has no answer yet
 * @property {() => void} reload
 */

/**
 * Asks a question, and asks again when the service comes back, or the user signs in.
 *
 * @param {string | null} path null: ask nothing
 * @param {{ everyMs?: number, when?: unknown }} [again] asks again after this time, and when this
 * value changes
 * @returns {Answer}
 */
export function useAnswer(path, { everyMs = 0, when = null } = {}) {
  const { revivals } = useStore(live);
  const { token } = useStore(session);
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState(
    /** @type {{ path: string | null, data: any, next: string | null, problem: Problem | null }} */
    ({ path: null, data: null, next: null, problem: null }),
  );
  useEffect(() => {
    if (path === null) return undefined;
    const leaving = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const load = async () => {
      try {
        const { data, next } = await ask(path, { signal: leaving.signal });
        setState({ path, data, next, problem: null });
      } catch (error) {
        if (leaving.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        setState((now) => ({
          ...now,
          path,
          data: now.path === path ? now.data : null,
          problem: error,
        }));
      }
      if (everyMs > 0) timer = setTimeout(load, everyMs);
    };
    void load();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs, when, revivals, token, turn]);
  const isLoading = path !== null && state.path !== path;
  return { ...state, isLoading, reload: () => setTurn((count) => count + 1) };
}
