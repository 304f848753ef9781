// @ts-check
import { html } from '/page/lib/preact.js';

/** @typedef {{ sku?: unknown, qty?: unknown }} Line */

/**
 * The lines of an order, each with a sku and a number of pieces.
 * @param {{ lines: unknown, onChange: (lines: Line[] | undefined) => void }} props
 */
export function LinesField({ lines, onChange }) {
  const rows = /** @type {Line[]} */ (Array.isArray(lines) ? lines : []);
  const change = (/** @type {number} */ index, /** @type {Line} */ line) =>
    onChange(rows.map((each, at) => (at === index ? { ...each, ...line } : each)));
  const drop = (/** @type {number} */ index) => {
    const rest = rows.filter((_, at) => at !== index);
    onChange(rest.length > 0 ? rest : undefined);
  };
  return html`
    <fieldset>
      <legend>lines</legend>
      ${rows.map(
        (line, index) => html`<div class="bar" key=${index}>
          <input aria-label=${`Sku of line ${index + 1}`} value=${line?.sku ?? ''} required
            onInput=${(/** @type {any} */ { target }) => change(index, { sku: target.value })} />
          <input aria-label=${`Pieces of line ${index + 1}`} type="number" min="1" step="1" required
            value=${line?.qty ?? ''}
            onInput=${(/** @type {any} */ { target }) => change(index, { qty: Number(target.value) })} />
          <button type="button" aria-label=${`Leave line ${index + 1} out`} onClick=${() => drop(index)}>✕</button>
        </div>`,
      )}
      <button type="button" onClick=${() => onChange([...rows, { sku: '', qty: 1 }])}>Add a line</button>
    </fieldset>
  `;
}
