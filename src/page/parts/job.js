// @ts-check
import { html, useEffect, useState } from '/page/lib/preact.js';
import { ask, Problem, post } from '../api.js';
import { formatNumber } from '../verdict.js';
import { Trouble } from './answered.js';
import { Badge } from './badge.js';

const POLL_MS = 500;

/** @typedef {import('../types.js').Job} Job */

/** @type {Record<Job['state'], import('./badge.js').Level>} */
const LEVELS = { running: 'none', done: 'good', failed: 'bad', cancelled: 'warn' };

/**
 * Shows how far a job is, until it ends.
 *
 * @param {{ path: string, onEnd?: (job: Job) => void, children?: (job: Job) => unknown }} props the
 * child shows the result
 */
export function JobProgress({ path, onEnd, children }) {
  const [job, setJob] = useState(/** @type {Job | null} */ (null));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  useEffect(() => {
    const leaving = new AbortController();
    void follow(path, leaving.signal, setJob, setProblem).then((ended) => ended && onEnd?.(ended));
    return () => leaving.abort();
  }, [path]);
  if (job === null)
    return problem ? html`<${Trouble} problem=${problem} />` : html`<p>Starting…</p>`;
  const { state, done, total, message } = job;
  return html`
    <div class="job">
      <p aria-live="polite">
        <${Badge} level=${LEVELS[state]}>${state}<//>
        ${' '}<b>${formatNumber(done)}</b>${total !== null && html` of <b>${formatNumber(total)}</b>`}
        ${' '}${message}
      </p>
      <progress aria-label="Progress" max=${total ?? 1} value=${state === 'running' && total === null ? undefined : done} />
      ${problem && html`<${Trouble} problem=${problem} />`}
      ${
        state === 'running' &&
        html`<button type="button" onClick=${() => post(`${path}/cancel`).catch(setProblem)}>
          Cancel the job
        </button>`
      }
      ${state !== 'running' && children?.(job)}
    </div>
  `;
}

/**
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {(job: Job) => void} onJob
 * @param {(problem: Problem | null) => void} onProblem
 * @returns {Promise<Job | null>} the job at its end; null: nobody looks any more, or the job is lost
 */
async function follow(path, signal, onJob, onProblem) {
  while (!signal.aborted) {
    try {
      const { data } = await ask(path, { signal });
      onJob(data);
      onProblem(null);
      if (data.state !== 'running') return data;
    } catch (error) {
      if (signal.aborted || !(error instanceof Problem)) return null;
      onProblem(error);
      // A service that started anew does not know the jobs of the former process.
      if (error.status === 404) return null;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return null;
}
