// @ts-check
import { html } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { LinesField } from './lines-field.js';

/** @typedef {{ type?: string, anyOf?: Schema[], description?: string, minimum?: number,
 *   maximum?: number, minLength?: number, maxLength?: number, format?: string }} Schema */

/**
 * A form with the fields that the schema of a command has.
 *
 * @param {{
 *   command: Record<string, any>, types: string[], schemaPath: string | null,
 *   errors: { field: string, message: string }[],
 *   onChange: (command: Record<string, any>) => void, onSubmit: () => void,
 * }} props
 */
export function CommandForm({ command, types, schemaPath, errors, onChange, onSubmit }) {
  const { data: schema } = useAnswer(schemaPath);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onSubmit();
  };
  const set = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    const { [name]: _, ...others } = command;
    onChange(value === undefined ? others : { ...command, [name]: value });
  };
  /** @type {[string, Schema][]} */
  const fields = Object.entries(schema?.properties ?? {});
  const known = new Set(['type', ...fields.map(([name]) => name)]);
  const unknown = schema ? Object.keys(command).filter((name) => !known.has(name)) : [];
  return html`
    <form id="command-form" class="command" onSubmit=${submit}>
      <label>
        Command
        <select value=${command.type} onChange=${(/** @type {any} */ { target }) => set('type', target.value)}>
          ${!types.includes(command.type) && html`<option value=${command.type}>${command.type} (unknown)</option>`}
          ${types.map((type) => html`<option value=${type}>${type}</option>`)}
        </select>
      </label>
      ${fields.map(([name, each]) =>
        each.type === 'array'
          ? html`<${LinesField} key=${name} lines=${command[name]} onChange=${(/** @type {unknown} */ value) => set(name, value)} />`
          : html`<${Field} key=${name} name=${name} schema=${each} value=${command[name]}
              isRequired=${schema.required?.includes(name) ?? false} onChange=${(/** @type {unknown} */ value) => set(name, value)} />`,
      )}
      ${unknown.map(
        (name) => html`<p class="wrong" key=${name}>
        The service does not know the field <code>${name}</code>.
        ${' '}<button type="button" onClick=${() => set(name, undefined)}>Leave ${name} out</button>
      </p>`,
      )}
      ${errors.map(({ field, message }) => html`<p class="wrong" role="alert"><code>${field}</code> ${message}</p>`)}
    </form>
  `;
}

/**
 * @param {{ name: string, schema: Schema, value: unknown, isRequired: boolean,
 *   onChange: (value: unknown) => void }} props
 */
function Field({ name, schema, value, isRequired, onChange }) {
  const { description, ...rules } = schema;
  const choice = rules.anyOf?.find(({ type }) => type !== 'null') ?? rules;
  const isNumber = choice.type === 'integer';
  const change = (/** @type {any} */ { target }) => {
    if (target.value === '') onChange(rules.anyOf ? null : undefined);
    else
      onChange(
        isNumber && Number.isInteger(Number(target.value)) ? Number(target.value) : target.value,
      );
  };
  return html`
    <label>
      ${name}
      <input
        type=${isNumber ? 'number' : 'text'} value=${value == null ? '' : String(value)}
        required=${isRequired && !rules.anyOf} step="1" min=${choice.minimum} max=${choice.maximum}
        maxlength=${choice.maxLength} autocomplete="off" spellcheck=${false} onInput=${change}
      />
      <span class="faint">${description}</span>
    </label>
  `;
}
