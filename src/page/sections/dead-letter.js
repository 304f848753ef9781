// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { live, mayOperate } from '../live.js';
import { Act } from '../parts/act.js';
import { Answered } from '../parts/answered.js';
import { CopyButton } from '../parts/copy.js';
import { EditDialog } from '../parts/edit-dialog.js';
import { LetterFacts } from '../parts/letter-facts.js';
import { prettyJson } from '../parts/pretty-json.js';
import { Table } from '../parts/table.js';
import { linkTo } from '../router.js';
import { useStore } from '../store.js';
import { formatNumber } from '../verdict.js';

/** @typedef {import('../types.js').WholeLetter} WholeLetter */

/** @type {import('../parts/table.js').Column<[string, string]>[]} */
const HEADER_COLUMNS = [
  { title: 'Header', cell: ([name]) => html`<code>${name}</code>` },
  { title: 'Value', cell: ([, value]) => html`<code>${value}</code>`, isWide: true },
];

/**
 * One dead letter: why it is one, what to do, its message, what waits behind it, and who acted.
 * @param {import('../router.js').Route} route
 */
export function DeadLetter({ name }) {
  const { status } = useStore(live);
  const when = JSON.stringify(status?.deadLetters ?? null);
  const answer = useAnswer(`/dead-letters/${encodeURIComponent(name)}`, { when });
  return html`
    <div>
      <p class="path"><a href="#/dead-letters">Dead letters</a></p>
      <h1 class="long">${name}</h1>
      <${Answered} answer=${answer} advice="The list of dead letters has the ids that exist.">
        ${(/** @type {WholeLetter} */ letter) => html`
          <${Acts} letter=${letter} onActed=${answer.reload} />
          <${LetterFacts} letter=${letter} />
          <${Chain} letter=${letter} />
          <${Message} letter=${letter} />
        `}
      <//>
    </div>
  `;
}

/** @param {{ letter: WholeLetter, onActed: () => void }} props */
function Acts({ letter, onActed }) {
  const { id, status } = letter;
  const [act, setAct] = useState(/** @type {'redrive' | 'discard' | 'edit' | null} */ (null));
  const close = (/** @type {boolean} */ hasActed) => {
    setAct(null);
    if (hasActed) onActed();
  };
  const isOpen = status === 'open';
  if (isOpen && !mayOperate())
    return html`<p class="faint">
      Your role may look. The role operate may redrive, edit and discard.
    </p>`;
  // A dialog stays until its user has read how the act ended.
  return html`
    <div>
      ${
        isOpen &&
        html`<div class="bar">
          <button type="button" class="primary" onClick=${() => setAct('redrive')}>Redrive…</button>
          <button type="button" onClick=${() => setAct('edit')}>Edit and redrive…</button>
          <button type="button" class="danger" onClick=${() => setAct('discard')}>Discard…</button>
        </div>`
      }
      ${act === 'edit' && html`<${EditDialog} letter=${letter} onClose=${close} />`}
      ${
        (act === 'redrive' || act === 'discard') &&
        html`<${Act}
          title=${act === 'redrive' ? 'Redrive this message' : 'Discard this message'}
          verb=${act === 'redrive' ? 'Redrive' : 'Discard'}
          isDanger=${act === 'discard'}
          path=${`/dead-letters/${act}`}
          body=${{ ids: [id] }}
          onClose=${close}
        />`
      }
    </div>
  `;
}

/** @param {{ letter: WholeLetter }} props */
function Chain({ letter: { id, chain, hasMoreChain } }) {
  if (chain.length <= 1) return null;
  return html`
    <div>
      <h2>These go out together, in this order</h2>
      <ol class="chain">
        ${chain.map(
          (each) => html`<li>
          ${each === id ? html`<b>${each}</b>` : html`<a href=${linkTo('dead-letters', each)}>${each}</a>`}
        </li>`,
        )}
      </ol>
      ${hasMoreChain && html`<p class="faint">The first ${formatNumber(chain.length)}.</p>`}
    </div>
  `;
}

/** @param {{ letter: WholeLetter }} props */
function Message({ letter: { headers, data, encoding } }) {
  const text = data ?? '';
  return html`
    <div>
      <h2>Message</h2>
      ${data === null && html`<p class="empty">The message has no value.</p>`}
      ${encoding === 'base64' && html`<p class="faint">These bytes are not text. They are shown in base64.</p>`}
      ${data !== null && html`<div class="opened"><${CopyButton} text=${text} /><pre>${prettyJson(text)}</pre></div>`}
      <h2>Headers</h2>
      <${Table} caption="Headers of the message" columns=${HEADER_COLUMNS} rows=${headers}
        keyOf=${(/** @type {[string, string]} */ pair) => pair.join()} empty="The message has no headers." />
    </div>
  `;
}
