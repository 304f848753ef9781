// @ts-check
import { html } from '/page/lib/preact.js';
import { linkTo } from '../router.js';
import { Table } from './table.js';
import { Time } from './time.js';

/** @typedef {import('../types.js').DeadLetter} DeadLetter */

/** @type {import('./table.js').Column<DeadLetter>[]} */
const COLUMNS = [
  { title: 'Time', cell: ({ at }) => html`<${Time} at=${at} />` },
  {
    title: 'Reason',
    cell: ({ reason, cause, parkedBehind, outlook }) => html`
      <b>${reason}</b> ${outlook === 'fails-again' && html`<span class="faint">fails again as it is</span>`}
      <span class="note">
        ${parkedBehind ? html`behind <a href=${linkTo('dead-letters', parkedBehind)}>${parkedBehind}</a>` : cause}
      </span>
    `,
    isWide: true,
  },
  { title: 'Command', cell: ({ type }) => type ?? 'unreadable' },
  { title: 'Sku', cell: ({ sku }) => sku && html`<a href=${linkTo('stock', sku)}>${sku}</a>` },
  {
    title: 'Order',
    cell: ({ orderid }) => orderid && html`<a href=${linkTo('orders', orderid)}>${orderid}</a>`,
  },
  {
    title: 'Dead letter',
    cell: ({ id, commandId }) =>
      html`<a href=${linkTo('dead-letters', id)}>${commandId ?? id}</a><span class="note"><code>${id}</code></span>`,
  },
];

/**
 * Dead letters as a table. With `chosen`, each has a box to choose it.
 *
 * @param {{
 *   letters: DeadLetter[], chosen: ReadonlySet<string> | null,
 *   onChoose: (chosen: ReadonlySet<string>) => void,
 * }} props
 */
export function LetterTable({ letters, chosen, onChoose }) {
  const toggle = (/** @type {string} */ id) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    onChoose(next);
  };
  const box = {
    title: 'Choose',
    cell: (/** @type {DeadLetter} */ { id }) =>
      html`<input type="checkbox" aria-label=${`Choose ${id}`} checked=${chosen?.has(id)} onChange=${() => toggle(id)} />`,
  };
  return html`<${Table}
    caption="Dead letters, oldest first"
    columns=${chosen ? [box, ...COLUMNS] : COLUMNS}
    rows=${letters}
    keyOf=${(/** @type {DeadLetter} */ { id }) => id}
    empty="No dead letter matches. Change the filter above to see others."
  />`;
}
