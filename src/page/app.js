// @ts-check
import { html, useEffect, useState } from '/page/lib/preact.js';
import { session } from './api.js';
import { startKeys } from './keys.js';
import { live } from './live.js';
import { Health } from './parts/health.js';
import { Help } from './parts/help.js';
import { SignIn } from './parts/sign-in.js';
import { Tools } from './parts/tools.js';
import { goTo, linkTo, route } from './router.js';
import { SECTIONS } from './sections.js';
import { useStore } from './store.js';
import { formatNumber, verdictOf } from './verdict.js';

/** The whole page: the head, the navigation, and one section. */
export function App() {
  const place = useStore(route);
  const { refusal } = useStore(session);
  const [isHelping, setHelping] = useState(false);
  useEffect(() => startKeys(() => setHelping(true)), []);
  useTitle(place);
  return html`
    <header class="top">
      <button type="button" class="skip" onClick=${() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <a class="brand" href="#/now"><img src="/page/icon.svg" alt="" width="22" height="22" />Allocation</a>
      <${Health} />
      <${Search} />
      <${Tools} onHelp=${() => setHelping(true)} />
    </header>
    <${Navigation} current=${place.section} />
    <main id="main" tabindex="-1">
      ${refusal === null ? html`<${Content} place=${place} />` : html`<${SignIn} refusal=${refusal} />`}
    </main>
    ${isHelping && html`<${Help} onClose=${() => setHelping(false)} />`}
  `;
}

/**
 * Shows the section at this place. Every section needs to know what the user may do, so the first
 * one waits for the first answer of the service.
 *
 * @param {{ place: import('./router.js').Route }} props
 */
function Content({ place }) {
  const { status, problem, isSilent } = useStore(live);
  if (status === null && problem === null && !isSilent)
    return html`<p class="empty" aria-busy="true">Asking the service…</p>`;
  const section = SECTIONS.find(({ word }) => word === place.section);
  const shown = place.name === '' ? section?.list : section?.one;
  if (!shown) return html`<${Nowhere} />`;
  return html`<${shown} key=${`${place.section}/${place.name}`} ...${place} />`;
}

/** @param {{ current: string }} props */
function Navigation({ current }) {
  const { status } = useStore(live);
  const open = status?.deadLetters.open;
  return html`
    <nav class="sections" aria-label="Sections">
      ${SECTIONS.map(
        ({ word, title }) => html`<a
          href=${linkTo(word)}
          aria-current=${word === current ? 'page' : undefined}
          >${title}${word === 'dead-letters' && open ? html` <b class="pill">${formatNumber(open)}</b>` : ''}</a
        >`,
      )}
    </nav>
  `;
}

function Search() {
  const find = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const orderid = String(new FormData(form).get('orderid')).trim();
    if (orderid !== '') goTo(linkTo('orders', orderid));
  };
  return html`
    <form class="find" role="search" onSubmit=${find}>
      <input name="orderid" type="search" aria-label="Find an order by its id"
        placeholder="Order id" autocomplete="off" spellcheck=${false} data-search />
      <kbd aria-hidden="true">/</kbd>
    </form>
  `;
}

function Nowhere() {
  return html`<h1>There is no such section</h1>
    <p>The link is incomplete or wrong. <a href="#/now">Now</a> shows the state of the service.</p>`;
}

/**
 * Names the place, and the state of the service, in the title of the browser's tab.
 * @param {{ section: string, name: string }} place
 */
function useTitle({ section, name }) {
  const { word } = verdictOf(useStore(live));
  useEffect(() => {
    const title = SECTIONS.find((each) => each.word === section)?.title ?? 'Allocation';
    document.title = `${word} · ${name || title} · Allocation`;
    return undefined;
  }, [word, section, name]);
}
