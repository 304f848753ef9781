// @ts-check
import { html } from '/page/lib/preact.js';
import { goTo, linkTo, route } from '../router.js';

/**
 * Leads to the first and to the next page of a list. The cursor is in the URL of the page, so the
 * browser itself leads back.
 *
 * @param {{ after: string | undefined, next: string | null, summary?: unknown }} props `next` is
 * the path of the next page
 */
export function Pager({ after, next, summary = null }) {
  const { section, name, query } = route.value;
  const turnTo = (/** @type {string | null} */ cursor) =>
    goTo(linkTo(section, name || null, { ...query, after: cursor }));
  const cursor = next && new URLSearchParams(next.split('?')[1]).get('after');
  return html`
    <nav class="pager" aria-label="Pages">
      <span>${summary}</span>
      <button type="button" disabled=${!after} onClick=${() => turnTo(null)}>
        First page
      </button>
      <button type="button" disabled=${!cursor} onClick=${() => turnTo(cursor)}>
        Next page
      </button>
    </nav>
  `;
}
