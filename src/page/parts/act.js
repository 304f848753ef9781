// @ts-check
import { html, useEffect, useState } from '/page/lib/preact.js';
import { Problem, post } from '../api.js';
import { pollNow } from '../live.js';
import { counted } from '../verdict.js';
import { Trouble } from './answered.js';
import { Dialog } from './dialog.js';
import { JobProgress } from './job.js';
import { Preview } from './preview.js';

/**
 * A dialog for an act. The dialog shows what the act would do, acts when the user confirms, and
 * then follows the job.
 *
 * @param {{
 *   title: string, verb: string, isDanger?: boolean, path: string, body: object,
 *   onClose: (hasActed: boolean) => void, children?: unknown,
 * }} props `verb` stands on the button, before the count; the children stand above the preview
 */
export function Act({ title, verb, isDanger = false, path, body, onClose, children }) {
  const [preview, setPreview] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [job, setJob] = useState(/** @type {string | null} */ (null));
  const [isSending, setSending] = useState(false);

  useEffect(() => {
    post(path, { ...body, dryRun: true }).then(({ data }) => setPreview(data), setProblem);
    return undefined;
  }, []);

  const act = async () => {
    setSending(true);
    try {
      // The list may have grown since the user saw the preview.
      setJob((await post(path, { ...body, expectedCount: preview.count })).location);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
    setSending(false);
    await pollNow();
  };

  return html`
    <${Dialog} title=${title} onClose=${() => onClose(job !== null)}>
      ${problem && html`<${Trouble} problem=${problem} />`}
      ${problem?.errors.map(({ field, message }) => html`<p><code>${field}</code> ${message}</p>`)}
      ${job === null && children}
      ${preview === null && !problem && html`<p aria-busy="true">Asking what this would do…</p>`}
      ${preview !== null && job === null && html`<${Preview} preview=${preview} />`}
      ${job !== null && html`<${JobProgress} path=${job} onEnd=${pollNow} />`}
      <footer>
        <button type="button" onClick=${() => onClose(job !== null)}>
          ${job === null ? 'Leave everything as it is' : 'Close'}
        </button>
        ${
          preview !== null &&
          job === null &&
          html`<button
            type="button"
            class=${isDanger ? 'danger' : 'primary'}
            disabled=${isSending || preview.count === 0}
            onClick=${act}
          >
            ${verb} ${counted(preview.count, 'message')}
          </button>`
        }
      </footer>
    <//>
  `;
}
