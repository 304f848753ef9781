// @ts-check
import { html } from '/page/lib/preact.js';
import { linkTo } from '../router.js';
import { formatDuration } from '../time.js';
import { Badge } from './badge.js';
import { Time } from './time.js';

/** @typedef {import('../types.js').Step} Step */

/**
 * What each kind of step is called, and how it is marked.
 * @type {Record<string, [string, import('./badge.js').Level]>}
 */
const KINDS = {
  received: ['Received', 'none'],
  decided: ['Decided', 'good'],
  published: ['Published', 'good'],
  parked: ['Parked', 'warn'],
  'dead-letter': ['Dead letter', 'bad'],
  redriven: ['Redriven', 'none'],
  edited: ['Edited and redriven', 'none'],
  discarded: ['Discarded', 'warn'],
};

/**
 * One step of an order's way.
 * @param {{ step: Step, sinceMs: number | null }} props the time since the step before
 */
export function StepItem({ step, sinceMs }) {
  const { kind, at, key, type, commandId, eventId, sku, batchref, sequence, details } = step;
  const [title, level] = KINDS[kind] ?? [kind, 'none'];
  return html`
    <li class=${level}>
      <p class="since">${sinceMs === null ? '' : `+ ${formatDuration(sinceMs)}`}</p>
      <p>
        <${Badge} level=${level}>${title}<//> ${' '}<b>${type}</b>${' '}
        ${sku && html`of <a href=${linkTo('stock', sku)}>${sku}</a> `}
        ${batchref && html`from batch <code>${batchref}</code> `}
        ${sequence != null && html`<span class="faint">sequence ${sequence}</span>`}
      </p>
      ${details && html`<p>${details}</p>`}
      <dl class="inline">
        <div><dt>Time</dt><dd><${Time} at=${at} /></dd></div>
        <div><dt>Place</dt><dd>${placeOf(step)}</dd></div>
        ${key !== null && html`<div><dt>Key</dt><dd><code>${key}</code></dd></div>`}
        ${commandId && html`<div><dt>Command</dt><dd><code>${commandId}</code></dd></div>`}
        ${eventId && html`<div><dt>Event</dt><dd><code>${eventId}</code></dd></div>`}
      </dl>
    </li>
  `;
}

/** @param {Step} step */
function placeOf({ kind, place }) {
  const text = html`<code>${place}</code>`;
  const isLetter = kind === 'dead-letter' || kind === 'parked';
  return isLetter ? html`<a href=${linkTo('dead-letters', place)}>${text}</a>` : text;
}
