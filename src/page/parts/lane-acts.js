// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { Problem, post } from '../api.js';
import { pollNow } from '../live.js';
import { Trouble } from './answered.js';
import { Dialog } from './dialog.js';

/**
 * Asks why the lane shall pause, and pauses it.
 * @param {{ partition: number, onClose: () => void }} props
 */
export function PauseDialog({ partition, onClose }) {
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const pause = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const reason = String(new FormData(form).get('reason')).trim();
    try {
      await post(`/lanes/${partition}/pause`, { reason });
      await pollNow();
      onClose();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
  };
  return html`
    <${Dialog} title=${`Pause lane ${partition}`} onClose=${onClose}>
      <p>
        Lane ${partition} finishes the delivery at hand, and answers no further command until somebody
        resumes it. The pause survives restarts. Everybody sees the reason.
      </p>
      ${problem && html`<${Trouble} problem=${problem} />`}
      <form onSubmit=${pause}>
        <label>Reason <input name="reason" required maxlength="200" autofocus autocomplete="off" /></label>
        <footer>
          <button type="button" onClick=${onClose}>Let the lane work</button>
          <button class="primary">Pause lane ${partition}</button>
        </footer>
      </form>
    <//>
  `;
}

/** @param {{ partition: number }} props */
export function ResumeButton({ partition }) {
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const resume = () => post(`/lanes/${partition}/resume`).then(() => pollNow(), setProblem);
  return html`
    <div>
      <button type="button" class="primary" onClick=${resume}>Resume lane ${partition}</button>
      ${problem && html`<span class="note" role="alert">${problem.message}</span>`}
    </div>
  `;
}
