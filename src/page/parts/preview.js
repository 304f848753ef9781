// @ts-check
import { html } from '/page/lib/preact.js';
import { counted, formatNumber } from '../verdict.js';
import { Table } from './table.js';

/** @typedef {import('../types.js').Preview} Preview */

/** @type {import('./table.js').Column<Preview['records'][number] & { turn: number }>[]} */
const COLUMNS = [
  { title: 'Turn', cell: ({ turn }) => turn, isNumber: true },
  { title: 'Act', cell: ({ act }) => act },
  { title: 'Command', cell: ({ type }) => type ?? 'unreadable' },
  { title: 'Key', cell: ({ key }) => key ?? '–' },
  {
    title: 'Message',
    cell: ({ id, commandId, expected: { failure, ignored } }) => html`
      ${commandId}<span class="note"><code>${id}</code></span>
      ${failure && html`<span class="note"><b>fails again:</b> ${failure}</span>`}
      ${ignored.map((each) => html`<span class="note">${each}</span>`)}
    `,
    isWide: true,
  },
];

/**
 * Shows what an act would do: how many messages, the first of them in their order, and what is
 * left out.
 *
 * @param {{ preview: Preview }} props
 */
export function Preview({ preview }) {
  const { count, discardCount, records, refusalCount, refusals } = preview;
  const { alreadyResolved, failsAgain } = preview;
  const rows = records.map((record, index) => ({ ...record, turn: index + 1 }));
  const title = count > rows.length ? `The first ${rows.length}, in this order` : 'In this order';
  return html`
    <div>
      <p class="count">
        <b>${formatNumber(count)}</b> ${count === 1 ? 'message is' : 'messages are'} concerned.
      </p>
      ${
        discardCount > 0 &&
        discardCount < count &&
        html`<p>
          <b>${counted(discardCount, 'message')}</b> would be discarded, and
          ${' '}<b>${formatNumber(count - discardCount)}</b> that waited behind would be sent again.
        </p>`
      }
      ${failsAgain > 0 && html`<p><b>${counted(failsAgain, 'message')}</b> would fail again as it is.</p>`}
      ${alreadyResolved > 0 && html`<p>Already off the list: ${counted(alreadyResolved, 'message')}.</p>`}
      ${rows.length > 0 && html`<p class="faint">${title}:</p>`}
      ${
        rows.length > 0 &&
        html`<${Table} caption=${title} columns=${COLUMNS} rows=${rows}
          keyOf=${(/** @type {{ id: string }} */ { id }) => id} />`
      }
      ${
        refusalCount > 0 &&
        html`<div class="trouble">
          <p><strong>${counted(refusalCount, 'message')} left out:</strong></p>
          <ul>${refusals.map(({ id, why }) => html`<li><code>${id}</code> ${why}</li>`)}</ul>
        </div>`
      }
    </div>
  `;
}
