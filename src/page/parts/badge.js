// @ts-check
import { html } from '/page/lib/preact.js';

/** @typedef {'good' | 'warn' | 'bad' | 'none'} Level */

/** A sign for each level, because colour alone is not enough. @type {Record<Level, string>} */
const SIGNS = { good: '●', warn: '▲', bad: '✕', none: '○' };

/**
 * A word with the sign and the colour of its level.
 * @param {{ level: Level, children: unknown, title?: string }} props
 */
export function Badge({ level, children, title }) {
  return html`<span class="badge ${level}" title=${title}>
    <span aria-hidden="true">${SIGNS[level]}</span> ${children}
  </span>`;
}
