// @ts-check
import { html, useEffect, useRef, useState } from '/page/lib/preact.js';
import { changeQuery } from '../router.js';

/** A pause in typing after which the filter applies. */
const TYPING_MS = 250;

/** @typedef {{ name: string, label: string, options?: string[], all?: string }} Field */

/**
 * Fields that filter a list. Their values are in the URL, so that the filtered list can be shared.
 *
 * @param {{ fields: Field[], query: Record<string, string> }} props a field with options is a choice
 */
export function FilterBar({ fields, query }) {
  return html`
    <form class="filters" role="search" aria-label="Filter" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      ${fields.map(
        (field) => html`<label key=${field.name}>
          ${field.label}
          ${
            field.options
              ? choice(field, query)
              : html`<${TextField} name=${field.name} value=${query[field.name] ?? ''} />`
          }
        </label>`,
      )}
    </form>
  `;
}

/** @param {Field} field @param {Record<string, string>} query */
function choice({ name, options = [], all = 'all' }, query) {
  return html`
    <select
      value=${query[name] ?? ''}
      onChange=${(/** @type {any} */ { target }) => changeQuery({ [name]: target.value, after: null })}
    >
      <option value="">${all}</option>
      ${options.map((each) => html`<option value=${each}>${each}</option>`)}
    </select>
  `;
}

/**
 * A field whose value applies after a pause in typing.
 * @param {{ name: string, value: string }} props
 */
function TextField({ name, value }) {
  const [text, setText] = useState(value);
  const typing = useRef(/** @type {ReturnType<typeof setTimeout> | null} */ (null));
  useEffect(() => {
    // A link on the page may set another filter.
    if (typing.current === null) setText(value);
    return undefined;
  }, [value]);
  const onInput = (/** @type {any} */ { target }) => {
    setText(target.value);
    if (typing.current !== null) clearTimeout(typing.current);
    typing.current = setTimeout(() => {
      typing.current = null;
      changeQuery({ [name]: target.value, after: null });
    }, TYPING_MS);
  };
  return html`<input
    type="search" value=${text} onInput=${onInput}
    autocomplete="off" spellcheck=${false} data-search
  />`;
}
