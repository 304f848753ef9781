// @ts-check
import { html } from '/page/lib/preact.js';
import { SECTIONS } from '../sections.js';
import { Dialog } from './dialog.js';

/**
 * Lists the keys.
 * @param {{ onClose: () => void }} props
 */
export function Help({ onClose }) {
  const keys = [
    ...SECTIONS.map(({ key, title }) => [['g', key], title]),
    [['/'], 'search'],
    [['t'], 'times in UTC, or in the zone of this browser'],
    [['c'], 'colours: those of the system, light, or dark'],
    [['Esc'], 'close a dialog'],
    [['?'], 'this list'],
  ];
  return html`
    <${Dialog} title="Keys" onClose=${onClose}>
      <dl class="keys">
        ${keys.map(
          ([each, meaning]) => html`
            <dt>${/** @type {string[]} */ (each).map((key) => html`<kbd>${key}</kbd> `)}</dt>
            <dd>${meaning}</dd>
          `,
        )}
      </dl>
      <footer><a href="/docs">The API behind this page</a></footer>
    <//>
  `;
}
