// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { linkTo } from '../router.js';
import { Badge } from './badge.js';
import { CopyButton } from './copy.js';
import { EVENT_LEVELS, factsOf, insideOf } from './event-facts.js';
import { Time } from './time.js';

/**
 * An event in a table of events, as a group of rows. The user can open the whole CloudEvent below.
 * @param {{ event: import('../types.js').CloudEvent }} props
 */
export function EventRow({ event }) {
  const [isOpen, setOpen] = useState(false);
  const inside = insideOf(event);
  const skus = unique(inside.map(({ data }) => data?.sku));
  const orders = unique(inside.map(({ data }) => data?.orderid));
  const json = isOpen ? JSON.stringify(event, null, 2) : '';
  return html`
    <tbody>
      <tr>
        <td><${Time} at=${event.time} /></td>
        <td><${Badge} level=${EVENT_LEVELS[event.type] ?? 'none'}>${event.type}<//></td>
        <td>${skus.map((sku) => html`<a href=${linkTo('stock', sku)}>${sku}</a> `)}</td>
        <td>${orders.map((orderid) => html`<a href=${linkTo('orders', orderid)}>${orderid}</a> `)}</td>
        <td class="number">${event.sequence ?? ''}</td>
        <td class="wide">${factsOf(event)}</td>
        <td>
          <button type="button" class="quiet" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
            ${isOpen ? 'Close' : 'Open'}<span class="sr"> event ${event.id}</span>
          </button>
        </td>
      </tr>
      ${
        isOpen &&
        html`<tr class="opened"><td colspan="7"><${CopyButton} text=${json} /><pre>${json}</pre></td></tr>`
      }
    </tbody>
  `;
}

/** @param {unknown[]} values @returns {string[]} */
function unique(values) {
  return [...new Set(values.filter((value) => typeof value === 'string'))];
}
