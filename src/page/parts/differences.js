// @ts-check
import { html } from '/page/lib/preact.js';
import { counted, formatNumber } from '../verdict.js';
import { Badge } from './badge.js';
import { Table } from './table.js';

/** @typedef {{ kind: string, subject: string, expected: string, found: string }} Difference */

/** @type {import('./table.js').Column<Difference & { key: number }>[]} */
const COLUMNS = [
  { title: 'Kind', cell: ({ kind }) => html`<b>${kind}</b>` },
  { title: 'About', cell: ({ subject }) => html`<code>${subject}</code>` },
  { title: 'The topics say', cell: ({ expected }) => expected },
  { title: 'The database has', cell: ({ found }) => found, isWide: true },
];

/**
 * What a verification found.
 * @param {{ result: { count: number, differences: Difference[] } }} props
 */
export function Differences({ result: { count, differences } }) {
  if (count === 0)
    return html`<p><${Badge} level="good">no difference<//> The database is what the topics say.</p>`;
  return html`
    <div>
      <p>
        <${Badge} level="bad">${counted(count, 'difference')}<//>
        ${' '}docs/recovery.md says what to do. The plan of a rebuild is below.
      </p>
      <${Table} caption="Differences" columns=${COLUMNS}
        rows=${differences.map((each, key) => ({ ...each, key }))}
        keyOf=${(/** @type {{ key: number }} */ { key }) => key} />
      ${count > differences.length && html`<p class="faint">The first ${formatNumber(differences.length)}.</p>`}
    </div>
  `;
}
