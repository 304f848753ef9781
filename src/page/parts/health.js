// @ts-check
import { html } from '/page/lib/preact.js';
import { live } from '../live.js';
import { useStore } from '../store.js';
import { isUtc } from '../time.js';
import { verdictOf } from '../verdict.js';
import { Badge } from './badge.js';

/** Says in every section how the service is. Screen readers hear each change. */
export function Health() {
  useStore(isUtc);
  const state = useStore(live);
  const { word, level, reasons } = verdictOf(state);
  return html`
    <div class="health ${level}" role="status">
      <${Badge} level=${level}><b>${word}</b><//>
      <span class="why">${level === 'good' ? '' : reasons[0]}</span>
      ${reasons.length > 1 && html`<a href="#/now">and ${reasons.length - 1} more</a>`}
    </div>
  `;
}
