// @ts-check
import { html } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { withQuery } from '../api.js';
import { live, mayOperate } from '../live.js';
import { Answered } from '../parts/answered.js';
import { Badge } from '../parts/badge.js';
import { Pager } from '../parts/pager.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { useStore } from '../store.js';
import { formatNumber } from '../verdict.js';

/** @typedef {{ count: number, first: string[] }} Things */
/**
 * @typedef {{ id: string, at: string, act: string, state: string, by: string, from: string,
 *   on?: Things, done?: Things, options?: Record<string, unknown>, why?: string }} Entry
 */

/** @type {Record<string, import('../parts/badge.js').Level>} */
const LEVELS = { succeeded: 'good', failed: 'bad', interrupted: 'warn' };

/** @type {import('../parts/table.js').Column<Entry>[]} */
const COLUMNS = [
  { title: 'Time', cell: ({ at }) => html`<${Time} at=${at} />` },
  { title: 'Act', cell: ({ act }) => html`<b class="nowrap">${act}</b>` },
  {
    title: 'State',
    cell: ({ state }) => html`<${Badge} level=${LEVELS[state] ?? 'none'}>${state}<//>`,
  },
  { title: 'By', cell: ({ by }) => html`<span class="nowrap">${by}</span>` },
  { title: 'From', cell: ({ from }) => from },
  { title: 'On', cell: ({ done, on }) => html`<${Concerned} things=${done ?? on} />` },
  { title: 'Options', cell: optionsOf, isWide: true },
];

/**
 * Who did what, newest first.
 * @param {import('../router.js').Route} route
 */
export function Audit({ query: { after } }) {
  // The audit names people, so it is not for the role read.
  const isAllowed = mayOperate();
  const answer = useAnswer(isAllowed ? withQuery('/audit', { after }) : null);
  const { status } = useStore(live);
  if (status !== null && !isAllowed)
    return html`<h1>Audit</h1>
      <p class="empty">The audit names people. Only the role operate may see who did what.</p>`;
  return html`
    <div>
      <h1>Audit</h1>
      <${Answered} answer=${answer} advice="The log of the service has a line for each act, too. AUDIT_TOPIC names a topic for the acts.">
        ${(/** @type {{ acts: Entry[] }} */ { acts }) => html`
          <${Table} caption="Acts of operators, newest first" columns=${COLUMNS} rows=${acts}
            keyOf=${(/** @type {Entry} */ { id, state }) => `${id} ${state}`}
            empty="Nobody has acted yet. Redrives, discards, pauses and rebuilds appear here." />
          <${Pager} after=${after} next=${answer.next} />
        `}
      <//>
    </div>
  `;
}

/** @param {{ things: Things | undefined }} props */
function Concerned({ things }) {
  if (!things) return null;
  const { count, first } = things;
  const [one] = first;
  return html`${formatNumber(count)}${one && html`<span class="note"><code>${one}</code></span>`}`;
}

/** @param {Entry} entry */
function optionsOf({ options = {}, why }) {
  const facts = Object.entries(options).filter(([, value]) => value != null && value !== false);
  return html`
    <div>
      ${why && html`<p>${why}</p>`}
      <dl class="inline">
        ${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${textOf(value)}</dd></div>`)}
      </dl>
    </div>
  `;
}

/** @param {unknown} value */
function textOf(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
