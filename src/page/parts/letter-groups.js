// @ts-check
import { html } from '/page/lib/preact.js';
import { linkTo } from '../router.js';
import { formatNumber } from '../verdict.js';
import { Table } from './table.js';
import { Time } from './time.js';

/**
 * @typedef {{ reason: string, cause: string, type: string | null, count: number,
 *   oldestAt: string, whatToDo: string }} Group
 */

/** @type {import('./table.js').Column<Group>[]} */
const COLUMNS = [
  { title: 'Messages', cell: ({ count }) => html`<b>${formatNumber(count)}</b>`, isNumber: true },
  {
    title: 'Reason',
    cell: ({ reason, type }) =>
      html`<a href=${linkTo('dead-letters', null, { reason, type })}>${reason}</a>`,
  },
  { title: 'Command', cell: ({ type }) => type ?? 'unreadable' },
  { title: 'Oldest', cell: ({ oldestAt }) => html`<${Time} at=${oldestAt} />` },
  {
    title: 'Cause, and what to do',
    cell: ({ cause, whatToDo }) => html`${cause}<span class="note">${whatToDo}</span>`,
    isWide: true,
  },
];

/**
 * The open dead letters by their cause.
 * @param {{ groups: Group[] }} props
 */
export function LetterGroups({ groups }) {
  return html`<${Table}
    caption="Open dead letters by cause"
    columns=${COLUMNS}
    rows=${groups}
    keyOf=${(/** @type {Group} */ { reason, cause, type }) => `${reason} ${type} ${cause}`}
    empty="No message waits. A message that the service cannot handle appears here within seconds."
  />`;
}
