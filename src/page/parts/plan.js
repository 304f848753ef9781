// @ts-check
import { html } from '/page/lib/preact.js';
import { formatDuration } from '../time.js';
import { formatNumber } from '../verdict.js';
import { CopyButton } from './copy.js';

/**
 * What a rebuild would do, and the command that does it.
 *
 * @param {{ plan: {
 *   lines: string[], command: string, refusal: string | null,
 *   events: { topic: string, offsets: number }, seconds: number | null,
 * } }} props
 */
export function Plan({ plan: { lines, command, refusal, events, seconds } }) {
  return html`
    <div>
      ${refusal && html`<div class="trouble"><p><strong>${refusal}</strong></p></div>`}
      <dl class="facts">
        <dt>Reads</dt><dd>${formatNumber(events.offsets)} events of <code>${events.topic}</code></dd>
        <dt>Takes about</dt><dd>${seconds === null ? 'unknown' : formatDuration(seconds * 1_000)}</dd>
      </dl>
      <ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>
      <div class="opened"><${CopyButton} text=${command} /><pre>${command}</pre></div>
    </div>
  `;
}
