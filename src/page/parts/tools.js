// @ts-check
import { html } from '/page/lib/preact.js';
import { session, signIn } from '../api.js';
import { live } from '../live.js';
import { useStore } from '../store.js';
import { chosenTheme, nextTheme, themeTurn } from '../theme-choice.js';
import { isUtc, toggleZone, zoneName } from '../time.js';

/**
 * What the user chooses for the whole page.
 * @param {{ onHelp: () => void }} props
 */
export function Tools({ onHelp }) {
  useStore(isUtc);
  useStore(themeTurn);
  const { status } = useStore(live);
  const { token } = useStore(session);
  const caller = status?.caller;
  return html`
    <div class="tools">
      ${caller && html`<span class="caller">${caller.name} <span class="faint">${caller.role}</span></span>`}
      ${token !== null && html`<button type="button" onClick=${() => signIn(null)}>Sign out</button>`}
      <button type="button" title="Time zone (t)" onClick=${toggleZone}>${zoneName()}</button>
      <button type="button" title="Colours (c)" onClick=${nextTheme}>${chosenTheme()}</button>
      <button type="button" title="Keys (?)" aria-label="Keys" onClick=${onHelp}>?</button>
    </div>
  `;
}
