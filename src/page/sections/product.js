// @ts-check
import { html } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { withQuery } from '../api.js';
import { Answered } from '../parts/answered.js';
import { Badge } from '../parts/badge.js';
import { Batches } from '../parts/batches.js';
import { EVENT_LEVELS, factsOf } from '../parts/event-facts.js';
import { Pager } from '../parts/pager.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { linkTo } from '../router.js';
import { formatNumber } from '../verdict.js';

const REFRESH_MS = 5_000;

/** @typedef {{ id: string, type: string, at: string, sequence: number, data: Record<string, any> }} Past */

/** @type {import('../parts/table.js').Column<Past>[]} */
const COLUMNS = [
  { title: 'Sequence', cell: ({ sequence }) => html`<b>${sequence}</b>`, isNumber: true },
  { title: 'Time', cell: ({ at }) => html`<${Time} at=${at} />` },
  {
    title: 'Event',
    cell: ({ type }) => html`<${Badge} level=${EVENT_LEVELS[type] ?? 'none'}>${type}<//>`,
  },
  {
    title: 'Order',
    cell: ({ data }) =>
      data.orderid && html`<a href=${linkTo('orders', data.orderid)}>${data.orderid}</a>`,
  },
  { title: 'Says', cell: (event) => factsOf(event), isWide: true },
  { title: 'Id', cell: ({ id }) => html`<code>${id}</code>` },
];

/**
 * One product: its batches in the order of allocation, and its history.
 * @param {import('../router.js').Route} route
 */
export function ProductStock({ name, query }) {
  const path = `/products/${encodeURIComponent(name)}`;
  const stock = useAnswer(withQuery(path, { after: query.batch }), { everyMs: REFRESH_MS });
  return html`
    <div>
      <p class="path"><a href="#/stock">Stock</a></p>
      <h1>${name}</h1>
      <${Answered} answer=${stock} advice="Skus are case-sensitive. The search of the section Stock finds products by the beginning of their sku.">
        ${(/** @type {any} */ { version, batches, hasMoreBatches }) => html`
          <p>
            ${formatNumber(version)} events so far.
            ${' '}<a href=${linkTo('dead-letters', null, { sku: name })}>Dead letters about this product</a>
          </p>
          <h2>Batches, in the order of allocation</h2>
          <${Batches} batches=${batches} />
          ${hasMoreBatches && html`<p><a href=${linkTo('stock', name, { batch: batches.at(-1).reference })}>Further batches</a></p>`}
        `}
      <//>
      ${(stock.data ?? stock.problem) !== null && html`<${ProductHistory} path=${path} after=${query.after} />`}
    </div>
  `;
}

/**
 * The events of the product. They appear after the stock, which would otherwise push them down.
 * @param {{ path: string, after: string | undefined }} props
 */
function ProductHistory({ path, after }) {
  const history = useAnswer(withQuery(`${path}/history`, { after }));
  return html`
    <div>
      <h2>History, newest first</h2>
      <${Answered} answer=${history}>
        ${(/** @type {{ events: Past[] }} */ { events }) => html`
          <${Table} caption="History by sequence" columns=${COLUMNS} rows=${events}
            keyOf=${(/** @type {Past} */ { id, sequence }) => `${id} ${sequence}`}
            empty="The events topic has no event about this product." />
          <${Pager} after=${after} next=${history.next} />
        `}
      <//>
    </div>
  `;
}
