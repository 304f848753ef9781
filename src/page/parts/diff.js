// @ts-check
import { html, useMemo } from '/page/lib/preact.js';
import { compareLines } from './compare-lines.js';

/** @type {Record<import('./compare-lines.js').Difference['sign'], string>} */
const TAGS = { '+': 'ins', '−': 'del', ' ': 'span' };

/**
 * Shows two texts as one, and marks the lines that go and the lines that come.
 * @param {{ before: string, after: string }} props
 */
export function Diff({ before, after }) {
  const lines = useMemo(() => compareLines(before.split('\n'), after.split('\n')), [before, after]);
  if (lines === null)
    return html`<p class="faint">The message is too long to show the difference.</p>`;
  return html`
    <figure class="diff">
      <figcaption>Difference</figcaption>
      <pre>${lines.map(({ sign, line }) => html`<${TAGS[sign]}>${sign} ${line}${'\n'}<//>`)}</pre>
    </figure>
  `;
}
