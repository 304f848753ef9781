// @ts-check
import { html } from '/page/lib/preact.js';

/**
 * A column of a table. `isNumber` aligns its cells to the right.
 *
 * @template Row
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: Row) => unknown} cell
 * @property {boolean} [isNumber]
 * @property {boolean} [isWide] takes the room that is left
 */

/**
 * A table with a caption for screen readers. On a narrow screen, the table scrolls sideways.
 *
 * @template Row
 * @param {{
 *   caption: string, columns: Column<Row>[], rows: Row[], keyOf: (row: Row) => string | number,
 *   empty?: unknown,
 * }} props
 */
export function Table({ caption, columns, rows, keyOf, empty = null }) {
  if (rows.length === 0 && empty !== null) return html`<p class="empty">${empty}</p>`;
  const kindOf = (/** @type {Column<Row>} */ { isNumber, isWide }) =>
    [isNumber && 'number', isWide && 'wide'].filter(Boolean).join(' ');
  return html`
    <div class="scroll" role="region" aria-label=${caption} tabindex="0">
      <table>
        <caption>${caption}</caption>
        <thead>
          <tr>
            ${columns.map((each) => html`<th scope="col" class=${kindOf(each)}>${each.title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`<tr key=${keyOf(row)}>
              ${columns.map((each) => html`<td class=${kindOf(each)}>${each.cell(row)}</td>`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}
