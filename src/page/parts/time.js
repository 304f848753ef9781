// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useStore } from '../store.js';
import { formatAge, formatTime, isUtc, zoneName } from '../time.js';

/**
 * A time in the chosen zone; how long ago it was appears on hover.
 * @param {{ at: string | number | null | undefined }} props
 */
export function Time({ at }) {
  useStore(isUtc);
  const [age, setAge] = useState('');
  if (at == null) return html`<span class="faint">–</span>`;
  const look = () => setAge(`${formatAge(at)} (${zoneName()})`);
  const text = formatTime(at);
  return html`<time
    datetime=${typeof at === 'number' ? new Date(at).toISOString() : at}
    title=${age}
    onMouseEnter=${look}
    >${text.slice(0, 10)} <b>${text.slice(11, 19)}</b><span class="faint">${text.slice(19)}</span></time
  >`;
}
