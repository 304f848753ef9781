// @ts-check
import { html } from '/page/lib/preact.js';
import { linkTo } from '../router.js';
import { counted } from '../verdict.js';
import { Badge } from './badge.js';
import { Table } from './table.js';
import { Time } from './time.js';

/** @typedef {import('../types.js').WholeLetter} WholeLetter */

/** @type {Record<string, import('./badge.js').Level>} */
const LEVELS = { open: 'bad', redriven: 'good', discarded: 'warn' };

/** @type {import('./table.js').Column<WholeLetter['acts'][number]>[]} */
const ACT_COLUMNS = [
  { title: 'Time', cell: ({ at }) => html`<${Time} at=${at} />` },
  { title: 'Act', cell: ({ act }) => act },
  { title: 'By', cell: ({ by }) => by ?? 'unknown' },
  {
    title: 'Sent instead',
    cell: ({ replacedBy }) => replacedBy && html`<code>${replacedBy}</code>`,
    isWide: true,
  },
];

/**
 * Why a message is a dead letter, what to do, what it is about, and who did what.
 * @param {{ letter: WholeLetter }} props
 */
export function LetterFacts({ letter }) {
  const { status, reason, message, inPlainWords, whatToDo, expected, parkedBehind, acts } = letter;
  return html`
    <div>
      <div class="explained">
        <p><${Badge} level=${LEVELS[status] ?? 'none'}>${status}<//> <b>${reason}</b></p>
        <p>${inPlainWords}</p>
        ${message && html`<p><code>${message}</code></p>`}
        ${parkedBehind && html`<p>It waits behind <a href=${linkTo('dead-letters', parkedBehind)}>${parkedBehind}</a>.</p>`}
        <p><b>What to do:</b> ${whatToDo}</p>
        ${status === 'open' && html`<${Outlook} expected=${expected} />`}
      </div>
      <dl class="facts">${factsOf(letter).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
      ${
        acts.length > 0 &&
        html`<h2>Who did what</h2>
          <${Table} caption="Acts on this message" columns=${ACT_COLUMNS} rows=${acts}
            keyOf=${(/** @type {WholeLetter['acts'][number]} */ { at, act }) => at + act} />`
      }
    </div>
  `;
}

/** @param {WholeLetter} letter */
function factsOf({ at, place, key, type, commandId, sku, orderid, redrives }) {
  return [
    ['Since', html`<${Time} at=${at} />`],
    ['Came from', html`<code>${place}</code>`],
    ['Key', key && html`<code>${key}</code>`],
    ['Command', type ?? 'unreadable'],
    ['Command id', commandId && html`<code>${commandId}</code>`],
    ['Sku', sku && html`<a href=${linkTo('stock', sku)}>${sku}</a>`],
    ['Redriven before', redrives > 0 && counted(redrives, 'time')],
    ['Order', orderid && html`<a href=${linkTo('orders', orderid)}>${orderid}</a>`],
  ].filter(([, value]) => value);
}

/** @param {{ expected: import('../types.js').Expected }} props what a redrive leads to */
function Outlook({ expected: { failure, ignored } }) {
  return html`
    <div>
      ${failure && html`<p><b>As it is, it fails again:</b> ${failure}</p>`}
      ${ignored.map((each) => html`<p>${each}</p>`)}
    </div>
  `;
}
