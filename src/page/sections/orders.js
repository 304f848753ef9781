// @ts-check
import { html } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { withQuery } from '../api.js';
import { Answered } from '../parts/answered.js';
import { FilterBar } from '../parts/filter-bar.js';
import { Pager } from '../parts/pager.js';
import { Table } from '../parts/table.js';
import { linkTo } from '../router.js';

const FIELDS = [{ name: 'search', label: 'Order id begins with' }];

/** @type {import('../parts/table.js').Column<{ orderid: string }>[]} */
const COLUMNS = [
  {
    title: 'Order',
    cell: ({ orderid }) => html`<a href=${linkTo('orders', orderid)}>${orderid}</a>`,
    isWide: true,
  },
];

/**
 * The orders that have stock, by their ids. Each leads to its way.
 * @param {import('../router.js').Route} route
 */
export function Orders({ query }) {
  const { search, after } = query;
  const answer = useAnswer(withQuery('/orders', { search, after }));
  return html`
    <div>
      <h1>Orders</h1>
      <p class="faint">
        The list has the orders that have stock. The search at the top finds the way of every order.
      </p>
      <${FilterBar} fields=${FIELDS} query=${query} />
      <${Answered} answer=${answer}>
        ${(/** @type {any} */ { orders }) => html`
          <${Table} caption="Orders with stock" columns=${COLUMNS} rows=${orders}
            keyOf=${(/** @type {any} */ { orderid }) => orderid}
            empty=${search ? `No order with stock begins with “${search}”. Its way may still be known: type the whole id at the top.` : 'No order has stock yet.'} />
          <${Pager} after=${after} next=${answer.next} />
        `}
      <//>
    </div>
  `;
}
