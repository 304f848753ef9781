// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { Problem, post } from '../api.js';
import { live, mayOperate } from '../live.js';
import { Answered, Trouble } from '../parts/answered.js';
import { Badge } from '../parts/badge.js';
import { Differences } from '../parts/differences.js';
import { JobProgress } from '../parts/job.js';
import { Plan } from '../parts/plan.js';
import { useStore } from '../store.js';

/** The job goes on when the user looks at another section, so the page remembers the job. */
let verification = /** @type {string | null} */ (null);

/** Whether the database is what the topics say, and what a rebuild would do. */
export function Recovery() {
  const { status } = useStore(live);
  return html`
    <div>
      <h1>Recovery</h1>
      <${Rebuild} recovery=${status?.recovery} />
      ${
        mayOperate()
          ? html`<${Verify} /><${PlanSection} />`
          : html`<p class="empty">Your role may look. The role operate may verify, and see the plan of a rebuild.</p>`
      }
      <h2>Snapshot</h2>
      <p>
        A snapshot is a copy of the database with its position. On the machine of the service:
        ${' '}<code>npx allocation replay snapshot</code>
      </p>
    </div>
  `;
}

/** @param {{ recovery: import('../types.js').Status['recovery'] | undefined }} props */
function Rebuild({ recovery }) {
  if (recovery === undefined) return html`<p aria-busy="true">Asking the service…</p>`;
  const { state } = recovery;
  if (state === 'none') return html`<p><${Badge} level="none">no rebuild<//> is running.</p>`;
  return html`<p aria-live="polite">
    <${Badge} level=${state === 'failed' ? 'bad' : 'warn'}>rebuild ${state}<//> ${recovery.progress}
  </p>`;
}

function Verify() {
  const [path, setPath] = useState(verification);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const verify = async () => {
    setProblem(null);
    try {
      verification = (await post('/recovery/verify')).location;
      setPath(verification);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
  };
  return html`
    <div>
      <h2>Verify</h2>
      <p>Reads the topics, and compares what they say with the database. Nothing changes.</p>
      <button type="button" class="primary" onClick=${verify}>Verify the database</button>
      ${problem && html`<${Trouble} problem=${problem} />`}
      ${
        path !== null &&
        html`<${JobProgress} key=${path} path=${path}>
          ${(/** @type {import('../types.js').Job} */ { result }) => result && html`<${Differences} result=${result} />`}
        <//>`
      }
    </div>
  `;
}

function PlanSection() {
  const [isAsked, setAsked] = useState(false);
  const answer = useAnswer(isAsked ? '/recovery/plan' : null);
  return html`
    <div>
      <h2>Plan of a rebuild</h2>
      <p>Says what a rebuild of the database would read, and how long that takes. Nothing changes.</p>
      ${!isAsked && html`<button type="button" onClick=${() => setAsked(true)}>Show the plan</button>`}
      ${
        isAsked &&
        html`<${Answered} answer=${answer}>${(/** @type {any} */ plan) => html`<${Plan} plan=${plan} />`}<//>`
      }
    </div>
  `;
}
