// @ts-check
import { html } from '/page/lib/preact.js';
import { Table } from './table.js';

/** @typedef {import('../types.js').Member} Member */

/** @type {import('./table.js').Column<Member>[]} */
const COLUMNS = [
  {
    title: 'Instance',
    cell: ({ instance, isThis }) =>
      html`<code>${instance}</code> ${isThis ? html`<b>this one</b>` : ''}`,
  },
  { title: 'Host', cell: ({ host }) => host },
  {
    title: 'Lanes',
    cell: ({ partitions }) => (partitions.length > 0 ? partitions.join(', ') : 'none'),
    isWide: true,
  },
];

/**
 * The instances that share the lanes.
 * @param {{ members: Member[], areKnown: boolean }} props
 */
export function Members({ members, areKnown }) {
  return html`
    <div>
      <h2>Instances of the group</h2>
      ${!areKnown && html`<p>The broker does not say which other instances there are.</p>`}
      <${Table}
        caption="Instances of the group"
        columns=${COLUMNS}
        rows=${members}
        keyOf=${(/** @type {Member} */ { instance }) => instance}
        empty="The broker names no instance."
      />
    </div>
  `;
}
