// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { Trouble } from '../parts/answered.js';
import { Badge } from '../parts/badge.js';
import { StepItem } from '../parts/step.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { linkTo } from '../router.js';
import { counted } from '../verdict.js';
import { keyOf, useWay } from '../way.js';

/** @typedef {{ sku: string, qty: number, batchref: string }} Line */

/** @type {import('../parts/table.js').Column<Line>[]} */
const COLUMNS = [
  { title: 'Sku', cell: ({ sku }) => html`<a href=${linkTo('stock', sku)}>${sku}</a>` },
  { title: 'Pieces', cell: ({ qty }) => qty, isNumber: true },
  { title: 'Batch', cell: ({ batchref }) => html`<code>${batchref}</code>`, isWide: true },
];

/**
 * One order: the stock that it has, and its way through the service as a timeline.
 * @param {import('../router.js').Route} route
 */
export function Order({ name }) {
  const [turn, setTurn] = useState(0);
  const {
    data: lines,
    isLoading,
    problem,
  } = useAnswer(`/allocations/${encodeURIComponent(name)}`, {
    when: turn,
  });
  // The status 404 says that the order has no stock.
  const isUnknown = problem !== null && problem.status !== 404;
  const way = useWay(name, turn);
  return html`
    <div>
      <p class="path"><a href="#/orders">Orders</a></p>
      <h1>${name}</h1>
      <h2>Stock</h2>
      ${isUnknown && html`<${Trouble} problem=${problem} retry=${() => setTurn(turn + 1)} />`}
      <${Table} caption="Stock of the order" columns=${COLUMNS} rows=${lines ?? []}
        keyOf=${(/** @type {Line} */ { sku, batchref }) => `${sku} ${batchref}`}
        empty=${isLoading || isUnknown ? 'Not known yet.' : 'The order has no stock.'} />
      <h2>Way</h2>
      <div class="bar">
        <${SearchState} way=${way} />
        <button type="button" onClick=${() => setTurn(turn + 1)}>Search again</button>
      </div>
      ${way.problem && html`<${Trouble} problem=${way.problem} retry=${() => setTurn(turn + 1)} />`}
      <${Timeline} way=${way} />
    </div>
  `;
}

/** @param {{ way: import('../way.js').Way }} props */
function SearchState({ way: { steps, isComplete, searchedUntil, problem } }) {
  const count = counted(steps.length, 'step');
  if (problem !== null) return html`<${Badge} level="bad">${count} so far<//>`;
  if (isComplete) return html`<${Badge} level="good">${count}, the whole way<//>`;
  const { at = null, offsets = 0, ofOffsets = 1 } = searchedUntil ?? {};
  return html`
    <div>
      <span aria-live="polite" aria-busy="true">
        <${Badge} level="none">searching<//> ${count} so far${at && html`, back to <${Time} at=${at} />`}
      </span>
      <progress aria-label="Search" max=${ofOffsets} value=${offsets} />
    </div>
  `;
}

/** @param {{ way: import('../way.js').Way }} props */
function Timeline({ way: { steps, isComplete } }) {
  if (steps.length === 0 && isComplete)
    return html`<p class="empty">
      No topic has a message about this order. Ids are case-sensitive. Messages beyond the retention
      of the topics are gone.
    </p>`;
  const times = steps.map(({ at }) => new Date(at).getTime());
  return html`<ol class="timeline">
    ${steps.map((step, index) => {
      const before = times[index - 1];
      const sinceMs = before === undefined ? null : (times[index] ?? 0) - before;
      return html`<${StepItem} key=${keyOf(step)} step=${step} sinceMs=${sinceMs} />`;
    })}
  </ol>`;
}
