// @ts-check
import { html, useState } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { Problem, post } from '../api.js';
import { Act } from './act.js';
import { Trouble } from './answered.js';
import { CommandForm } from './command-form.js';
import { Dialog } from './dialog.js';
import { Diff } from './diff.js';
import { prettyJson } from './pretty-json.js';

/**
 * Lets an operator correct the command of a dead letter, shows the difference, and redrives the
 * corrected command.
 *
 * @param {{ letter: import('../types.js').WholeLetter, onClose: (hasActed: boolean) => void }} props
 */
export function EditDialog({ letter, onClose }) {
  const [command, setCommand] = useState(() => commandIn(letter));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [isChecked, setChecked] = useState(false);
  const { data: list } = useAnswer('/allocation/schemas');
  const types = (list?.schemas ?? []).filter((/** @type {any} */ { kind }) => kind === 'command');
  const schema = types.filter((/** @type {any} */ each) => each.type === command.type).at(-1);
  const path = `/dead-letters/${encodeURIComponent(letter.id)}/edit`;
  const { type, ...fields } = command;
  const body = { type, data: fields };
  const before = letter.command ? textOf(commandIn(letter)) : prettyJson(letter.data ?? '');

  const check = async () => {
    try {
      await post(path, { ...body, dryRun: true });
      setProblem(null);
      setChecked(true);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
  };

  const difference = html`<${Diff} before=${before} after=${textOf(command)} />`;
  if (isChecked)
    return html`<${Act} title="Redrive the edited command" verb="Redrive" path=${path} body=${body}
      onClose=${onClose}>${difference}<//>`;
  return html`
    <${Dialog} title="Edit and redrive" onClose=${() => onClose(false)}>
      <p class="faint">The corrected command is sent instead of the message. The message itself stays as it was.</p>
      ${problem && html`<${Trouble} problem=${problem} />`}
      <${CommandForm} command=${command} types=${types.map((/** @type {any} */ each) => each.type)}
        schemaPath=${schema?.uri ?? null} errors=${problem?.errors ?? []}
        onChange=${setCommand} onSubmit=${check} />
      ${difference}
      <footer>
        <button type="button" onClick=${() => onClose(false)}>Leave everything as it is</button>
        <button class="primary" form="command-form">Check the command</button>
      </footer>
    <//>
  `;
}

/**
 * @param {import('../types.js').WholeLetter} letter
 * @returns {Record<string, any>} its type, and its data
 */
function commandIn({ type, command }) {
  const { data } = command ?? {};
  return { type: command?.type ?? type ?? '', ...(typeof data === 'object' && data) };
}

/** @param {Record<string, any>} command */
function textOf(command) {
  return JSON.stringify(command, null, 2);
}
