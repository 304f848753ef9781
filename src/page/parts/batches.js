// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { linkTo } from '../router.js';
import { counted, formatNumber } from '../verdict.js';
import { Answered } from './answered.js';
import { Table } from './table.js';

/**
 * @typedef {{ reference: string, quantity: number, availableQuantity: number,
 *   eta: string | null }} Batch
 */

/** @type {import('./table.js').Column<{ orderid: string, qty: number }>[]} */
const COLUMNS = [
  {
    title: 'Order',
    cell: ({ orderid }) => html`<a href=${linkTo('orders', orderid)}>${orderid}</a>`,
    isWide: true,
  },
  { title: 'Pieces', cell: ({ qty }) => formatNumber(qty), isNumber: true },
];

/**
 * The batches of a product, each with a bar of what is allocated. All bars have one scale.
 * @param {{ batches: Batch[] }} props
 */
export function Batches({ batches }) {
  if (batches.length === 0)
    return html`<p class="empty">The product has no batch on this page.</p>`;
  const largest = Math.max(1, ...batches.map(({ quantity }) => quantity));
  return html`<ol class="batches">
    ${batches.map((batch) => html`<${BatchItem} key=${batch.reference} batch=${batch} largest=${largest} />`)}
  </ol>`;
}

/** @param {{ batch: Batch, largest: number }} props */
function BatchItem({ batch: { reference, quantity, availableQuantity, eta }, largest }) {
  const [isOpen, setOpen] = useState(false);
  const allocated = quantity - availableQuantity;
  const share = (/** @type {number} */ part) => `${(100 * Math.max(0, part)) / largest}%`;
  return html`
    <li>
      <div class="bar">
        <b>${reference}</b>
        <span class="faint">${eta === null ? 'in stock' : `due ${eta}`}</span>
        <span class="grow"></span>
        <span><b>${formatNumber(availableQuantity)}</b> available</span>
        <span>${formatNumber(allocated)} allocated</span>
        <span class="faint">of ${formatNumber(quantity)}</span>
        <button type="button" class="quiet" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
          Who has it<span class="sr"> of batch ${reference}</span>
        </button>
      </div>
      <div class="quantity" role="img"
        aria-label=${`${counted(allocated, 'piece')} of ${formatNumber(quantity)} allocated`}>
        <span class="allocated" style=${{ width: share(allocated) }}></span>
        <span class="available" style=${{ width: share(availableQuantity) }}></span>
      </div>
      ${isOpen && html`<${Holders} reference=${reference} />`}
    </li>
  `;
}

/** @param {{ reference: string }} props */
function Holders({ reference }) {
  const answer = useAnswer(`/batches/${encodeURIComponent(reference)}`);
  return html`<${Answered} answer=${answer}>
    ${(/** @type {any} */ { lines, hasMoreLines }) => html`
      <${Table} caption=${`Orders with stock of ${reference}`} columns=${COLUMNS} rows=${lines}
        keyOf=${(/** @type {any} */ { orderid }) => orderid} empty="No order has stock of this batch." />
      ${hasMoreLines && html`<p class="faint">The first ${lines.length}. <code>GET /batches/:reference</code> has the others.</p>`}
    `}
  <//>`;
}
