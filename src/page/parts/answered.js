// @ts-check
import { html } from '/page/lib/preact.js';

/**
 * Shows the content of an answer. Until there is one, says that it is under way, or what is wrong.
 *
 * @param {{ answer: import('../answer.js').Answer, children: (data: any) => unknown,
 *   advice?: unknown }} props `advice` says what to do about a problem
 */
export function Answered({ answer: { data, problem, reload }, children, advice = null }) {
  return html`
    <div>
      ${problem && html`<${Trouble} problem=${problem} advice=${advice} retry=${reload} />`}
      ${data !== null ? children(data) : !problem && html`<p class="empty" aria-busy="true">Loading…</p>`}
    </div>
  `;
}

/**
 * Says what went wrong, and what to do.
 * @param {{ problem: Error, advice?: unknown, retry?: () => void }} props
 */
export function Trouble({ problem, advice = null, retry }) {
  return html`
    <div class="trouble" role="alert">
      <p><strong>${problem.message}</strong></p>
      ${advice && html`<p>${advice}</p>`}
      ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
    </div>
  `;
}
