// @ts-check
import { html } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { withQuery } from '../api.js';
import { Answered } from '../parts/answered.js';
import { FilterBar } from '../parts/filter-bar.js';
import { Pager } from '../parts/pager.js';
import { Table } from '../parts/table.js';
import { linkTo } from '../router.js';
import { formatNumber } from '../verdict.js';

const FIELDS = [
  { name: 'search', label: 'Sku begins with' },
  { name: 'sort', label: 'Order', options: ['-sku'], all: 'sku' },
];

/** @typedef {{ sku: string, version: number }} Product */

/** @type {import('../parts/table.js').Column<Product>[]} */
const COLUMNS = [
  {
    title: 'Sku',
    cell: ({ sku }) => html`<a href=${linkTo('stock', sku)}>${sku}</a>`,
    isWide: true,
  },
  { title: 'Events so far', cell: ({ version }) => formatNumber(version), isNumber: true },
];

/**
 * The products, by their skus.
 * @param {import('../router.js').Route} route
 */
export function Stock({ query }) {
  const { search, sort, after } = query;
  const answer = useAnswer(withQuery('/products', { search, sort, after }));
  return html`
    <div>
      <h1>Stock</h1>
      <${FilterBar} fields=${FIELDS} query=${query} />
      <${Answered} answer=${answer}>
        ${(/** @type {{ products: Product[] }} */ { products }) => html`
          <${Table} caption="Products" columns=${COLUMNS} rows=${products}
            keyOf=${(/** @type {Product} */ { sku }) => sku}
            empty=${search ? `No sku begins with “${search}”. Case matters.` : 'There is no product yet: a CreateBatch command brings the first.'} />
          <${Pager} after=${after} next=${answer.next} />
        `}
      <//>
    </div>
  `;
}
