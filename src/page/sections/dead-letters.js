// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { withQuery } from '../api.js';
import { mayOperate } from '../live.js';
import { Act } from '../parts/act.js';
import { Answered } from '../parts/answered.js';
import { FilterBar } from '../parts/filter-bar.js';
import { LetterGroups } from '../parts/letter-groups.js';
import { LetterTable } from '../parts/letter-table.js';
import { Pager } from '../parts/pager.js';
import { ReadingState } from '../parts/reading-state.js';
import { counted, formatNumber } from '../verdict.js';

/** A new dead letter appears within two seconds. */
const REFRESH_MS = 1_500;

const REASONS = [
  'malformed',
  'unknown-type',
  'invalid-data',
  'too-large',
  'handler-failed',
  'parked-behind',
];

const FIELDS = [
  { name: 'status', label: 'Status', options: ['redriven', 'discarded'], all: 'open' },
  { name: 'reason', label: 'Reason', options: REASONS },
  { name: 'type', label: 'Command' },
  { name: 'sku', label: 'Sku' },
  { name: 'orderid', label: 'Order' },
];

/**
 * The dead letters by cause, and one by one; oldest first.
 * @param {import('../router.js').Route} route
 */
export function DeadLetters({ query }) {
  const groups = useAnswer('/dead-letters/groups', { everyMs: REFRESH_MS });
  return html`
    <div>
      <h1>Dead letters</h1>
      <${Answered} answer=${groups}>
        ${(/** @type {any} */ { groups: rows }) => html`<${LetterGroups} groups=${rows} />`}
      <//>
      ${(groups.data ?? groups.problem) !== null && html`<${OneByOne} query=${query} groups=${groups} />`}
    </div>
  `;
}

/**
 * The dead letters one by one. They appear after the groups, which would otherwise push them down.
 *
 * @param {{ query: Record<string, string>, groups: import('../answer.js').Answer }} props
 */
function OneByOne({ query, groups }) {
  const { status: wanted = 'open', reason, type, sku, orderid, after } = query;
  const filter = { reason, type, sku, orderid };
  // Each change of the list changes the groups too, and their answer is shorter.
  const when = JSON.stringify(groups.data);
  const list = useAnswer(withQuery('/dead-letters', { status: wanted, ...filter, after }), {
    when,
  });
  const reload = () => {
    groups.reload();
    list.reload();
  };
  return html`
    <div>
      <h2>One by one, oldest first</h2>
      <${FilterBar} fields=${FIELDS} query=${query} />
      <${Answered} answer=${list}>
        ${(/** @type {any} */ data) => html`
          <${ReadingState} reading=${data} reload=${reload} />
          <${LetterList} data=${data} filter=${filter} isOpen=${wanted === 'open'} onActed=${reload} />
          <${Pager} after=${after} next=${list.next} summary=${`${counted(data.total, 'message')} in all`} />
        `}
      <//>
    </div>
  `;
}

/**
 * @param {{
 *   data: { deadLetters: import('../types.js').DeadLetter[], total: number },
 *   filter: Record<string, string | undefined>, isOpen: boolean, onActed: () => void,
 * }} props
 */
function LetterList({ data: { deadLetters, total }, filter, isOpen, onActed }) {
  const [chosen, setChosen] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const [act, setAct] = useState(/** @type {object | null} */ (null));
  const ids = deadLetters.map(({ id }) => id).filter((id) => chosen.has(id));
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  const matching = Object.keys(given).length > 0 ? { filter: given } : { all: true };
  const body = ids.length > 0 ? { ids } : matching;
  const count = ids.length > 0 ? ids.length : total;
  const what =
    ids.length > 0 ? `${formatNumber(count)} chosen` : `all ${formatNumber(count)} matching`;
  const canAct = mayOperate() && isOpen && total > 0;
  const open = (/** @type {'redrive' | 'discard'} */ word) =>
    setAct({
      title: `${word === 'redrive' ? 'Redrive' : 'Discard'} ${what}`,
      verb: word === 'redrive' ? 'Redrive' : 'Discard',
      isDanger: word === 'discard',
      path: `/dead-letters/${word}`,
      body,
    });
  const close = (/** @type {boolean} */ hasActed) => {
    setAct(null);
    if (hasActed) {
      setChosen(new Set());
      onActed();
    }
  };
  return html`
    <div>
      ${
        canAct &&
        html`<div class="bar">
          <button type="button" class="primary" onClick=${() => open('redrive')}>Redrive ${what}…</button>
          <button type="button" class="danger" onClick=${() => open('discard')}>Discard ${what}…</button>
          <span class="faint">Nothing happens before you have seen what the act would do.</span>
        </div>`
      }
      ${!mayOperate() && html`<p class="faint">Your role may look. The role operate may redrive and discard.</p>`}
      <${LetterTable} letters=${deadLetters} chosen=${canAct ? chosen : null} onChoose=${setChosen} />
      ${act && html`<${Act} ...${act} onClose=${close} />`}
    </div>
  `;
}
