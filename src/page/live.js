// @ts-check
import { ask, Problem } from './api.js';
import { Store } from './store.js';

const POLL_MS = 1_500;
const HIDDEN_POLL_MS = 10_000;
/** A poll that takes longer is given up, so that the next one can find the service again. */
const POLL_TIMEOUT_MS = 4_000;
/** How long the service may be silent: longer than one missed poll, and less than 5 seconds. */
const SILENT_MS = 4_000;
const TICK_MS = 500;

/**
 * What the service says of itself, again and again.
 *
 * @typedef {object} Live
 * @property {import('./types.js').Status | null} status the newest answer
 * @property {Problem | null} problem why the newest question had no status
 * @property {number | null} answeredAt when the service last answered, in ms
 * @property {boolean} isSilent whether the service has not answered for too long
 * @property {number} revivals how often the service has come back
 */

/** @type {Store<Live>} */
export const live = new Store({
  status: null,
  problem: null,
  answeredAt: null,
  isSilent: false,
  revivals: 0,
});

let lastAnswerAt = 0;
let isAsking = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Asks the service for its state until the page closes. */
export function startLive() {
  lastAnswerAt = Date.now();
  setInterval(() => {
    const isSilent = Date.now() - lastAnswerAt >= SILENT_MS;
    if (isSilent && !document.hidden && !live.value.isSilent) live.set({ ...live.value, isSilent });
  }, TICK_MS);
  document.addEventListener('visibilitychange', () => {
    // Nobody looked, so the page asked less often.
    lastAnswerAt = Date.now();
    void pollNow();
  });
  void pollNow();
}

/** Asks for the state at once, for example after an act. */
export async function pollNow() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  if (await poll()) lastAnswerAt = Date.now();
  isAsking = false;
  timer = setTimeout(pollNow, document.hidden ? HIDDEN_POLL_MS : POLL_MS);
}

/** @returns {Promise<boolean>} whether the service answered */
async function poll() {
  try {
    const { data } = await ask('/status', { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
    noteAnswer({ status: data, problem: null });
    return true;
  } catch (error) {
    if (!(error instanceof Problem) || error.status === 0) return false;
    // A user who has signed out sees no more than a stranger.
    const status = error.status === 401 ? null : live.value.status;
    noteAnswer({ status, problem: error });
    return true;
  }
}

/** @param {Pick<Live, 'status' | 'problem'>} news */
function noteAnswer(news) {
  const { isSilent, revivals } = live.value;
  live.set({
    ...news,
    answeredAt: Date.now(),
    isSilent: false,
    revivals: revivals + (isSilent ? 1 : 0),
  });
}

/** Tells whether the user may act: nobody needs a token, or theirs has the role. */
export function mayOperate() {
  const { status } = live.value;
  return status !== null && (status.caller === null || status.caller.role === 'operate');
}
