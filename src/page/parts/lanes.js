// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { mayOperate } from '../live.js';
import { formatDuration } from '../time.js';
import { formatNumber } from '../verdict.js';
import { Badge } from './badge.js';
import { PauseDialog, ResumeButton } from './lane-acts.js';
import { Table } from './table.js';
import { Time } from './time.js';

/** @typedef {import('../types.js').Lane} Lane */

/** @type {Record<string, import('./badge.js').Level>} */
const LEVELS = {
  working: 'good',
  opening: 'none',
  elsewhere: 'none',
  paused: 'warn',
  unassigned: 'warn',
  stuck: 'bad',
  refused: 'bad',
};

/** @type {import('./table.js').Column<Lane>[]} */
const COLUMNS = [
  { title: 'Lane', cell: ({ partition }) => html`<b>${partition}</b>`, isNumber: true },
  { title: 'State', cell: (lane) => html`<${State} lane=${lane} />` },
  { title: 'Position', cell: ({ position }) => formatNumber(position), isNumber: true },
  {
    title: 'Committed',
    cell: ({ committedOffset }) => formatNumber(committedOffset),
    isNumber: true,
  },
  { title: 'End', cell: ({ endOffset }) => formatNumber(endOffset), isNumber: true },
  { title: 'Unanswered', cell: ({ lagMessages }) => formatNumber(lagMessages), isNumber: true },
  {
    title: 'Lag',
    cell: ({ lagSeconds }) => (lagSeconds === null ? '–' : formatDuration(lagSeconds * 1_000)),
    isNumber: true,
  },
  { title: 'Last reopening', cell: (lane) => html`<${Reopening} lane=${lane} />` },
  { title: 'Instance', cell: ({ instance }) => (instance ? html`<code>${instance}</code>` : '–') },
];

/**
 * The lanes of the whole group as a table. An operator pauses and resumes them here.
 * @param {{ lanes: Lane[] }} props
 */
export function Lanes({ lanes }) {
  const [pausing, setPausing] = useState(/** @type {number | null} */ (null));
  const acts = {
    title: 'Act',
    cell: (/** @type {Lane} */ { partition, paused }) =>
      paused
        ? html`<${ResumeButton} partition=${partition} />`
        : html`<button type="button" class="quiet" onClick=${() => setPausing(partition)}>Pause</button>`,
  };
  return html`
    <div>
      <h2>Lanes</h2>
      <${Table}
        caption="Lanes"
        columns=${mayOperate() ? [...COLUMNS, acts] : COLUMNS}
        rows=${lanes}
        keyOf=${(/** @type {Lane} */ { partition }) => partition}
        empty="The commands topic has no partitions yet."
      />
      ${pausing !== null && html`<${PauseDialog} partition=${pausing} onClose=${() => setPausing(null)} />`}
    </div>
  `;
}

/** @param {{ lane: Lane }} props */
function State({ lane: { state, problem, paused } }) {
  return html`
    <div>
      <${Badge} level=${LEVELS[state] ?? 'none'}>${state}<//>
      ${paused && html`<span class="note">${paused.by}: ${paused.reason}, <${Time} at=${paused.at} /></span>`}
      ${problem && html`<span class="note">${problem}</span>`}
    </div>
  `;
}

/** @param {{ lane: Lane }} props */
function Reopening({ lane: { lastReopening } }) {
  if (lastReopening === null) return html`<span class="faint">none</span>`;
  return html`<${Time} at=${lastReopening.at} /> <span class="note">${lastReopening.cause}: ${lastReopening.message}</span>`;
}
