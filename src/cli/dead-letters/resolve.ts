import { readFile } from 'node:fs/promises';
import type { ActReport } from '../../audit/audit.ts';
import { localUser } from '../../audit/local-user.ts';
import { chooseEdited, refuseUnclearEdit } from '../../dead-letters/edited-letter.ts';
import { ListedLetters } from '../../dead-letters/listed-letters.ts';
import { foresee } from '../../dead-letters/outlook.ts';
import {
  type Action,
  filter,
  type Plan,
  plan,
  refuseSeveralSources,
  type Selection,
} from '../../dead-letters/plan.ts';
import type { ListedLetter } from '../../dead-letters/read-dead-letter.ts';
import { type Edit, type RedriveListener, Redriver } from '../../dead-letters/redriver.ts';
import { requireLetter } from '../../dead-letters/waiting-letters.ts';
import { withDeadlines } from '../broker-deadline.ts';
import { UsageError } from '../errors.ts';
import { interruptibly } from '../interruption.ts';
import { print, printOutcome, printToStderr, visible } from '../output.ts';
import { openBar } from '../progress.ts';
import { type BrokerSession, withBroker } from '../session.ts';
import { printPreview } from './preview.ts';
import { releaseInDatabase } from './release.ts';

export interface ResolveOptions {
  /** Whether to act. False: only print what would be done. */
  readonly execute: boolean;
  /** The command to send instead of the chosen letter's: JSON, or `@file`. */
  readonly edit?: string;
  readonly maxRedrives: number;
  readonly json: boolean;
}

/**
 * Redrives or discards letters on the list, or prints what that would do.
 *
 * @throws {UsageError} the selection is not exactly one of ids, filters and `--all`
 * @throws {SelectionError} the filters are wrong, or choose commands of several sources by one id,
 * or an edit is not for one id
 */
export async function resolveDeadLetters(
  action: Action,
  selection: Selection,
  options: ResolveOptions,
): Promise<void> {
  refuseMixedSelection(action, selection);
  if (options.edit !== undefined) refuseUnclearEdit(selection);
  await withBroker({ mayCreate: false }, async (session) => {
    const list = new ListedLetters(session.broker, session.config.deadLettersTopic);
    const letters = await list.read();
    const open = letters.filter(({ resolution }) => resolution === null);
    const { choice, edit } =
      options.edit === undefined
        ? { choice: choose(letters, open, selection), edit: null }
        : await chooseEdited(session, letters, selection, await readJson(options.edit));
    const openChoice = choice.filter(({ resolution }) => resolution === null);
    for (const letter of choice) printIfResolved(letter, options.json);
    const decision = plan(action, openChoice, open, options.maxRedrives, edit?.letter);
    for (const { letter, why } of decision.refused) {
      printOutcome(options.json, { id: letter.id, result: 'refused', why }, null);
      printToStderr(visible(`error: ${why}`));
      process.exitCode = 1;
    }
    warnOfCutLetters(open, decision, selection.sku);
    if (options.execute)
      await carryOut(session, { action, selection, decision, edit, list }, options.json);
    else await preview(session, decision, edit, options.json);
    if (choice.length === 0 && !options.json) print('No dead letters');
  });
}

function refuseMixedSelection(action: Action, { ids, all, ...filters }: Selection): void {
  const hasFilter = Object.values(filters).some((value) => value !== undefined);
  if (Number(all) + Number(ids.length > 0) + Number(hasFilter) === 1) return;
  throw new UsageError(
    `${action} takes either ids, or filters ` +
      '(--reason, --type, --sku, --since, --id, --source), or --all',
  );
}

/** Reads the file that `@file` names. Other text is the JSON itself. */
async function readJson(text: string): Promise<string> {
  return text.startsWith('@') ? readFile(text.slice(1), 'utf8') : text;
}

/** Returns the letters that the operator chose. Ids may also name letters off the list. */
function choose(
  letters: readonly ListedLetter[],
  open: readonly ListedLetter[],
  { ids, all: _all, ...filters }: Selection,
): readonly ListedLetter[] {
  const choice =
    ids.length > 0
      ? [...new Set(ids)].map((id) =>
          requireLetter(letters.find((letter) => letter.id === id) ?? null, id),
        )
      : filter(open, filters);
  refuseSeveralSources(choice, filters);
  return choice;
}

function printIfResolved({ id, resolution }: ListedLetter, json: boolean): void {
  if (resolution === null) return;
  const line = `${id} was ${resolution} before: nothing to do`;
  printOutcome(json, { id, result: 'unchanged', resolution }, line);
}

async function preview(
  { broker, config }: BrokerSession,
  decision: Plan,
  edit: Edit | null,
  json: boolean,
): Promise<void> {
  const outlooks = await foresee(broker, config.deadLettersTopic, decision.redrive);
  printPreview(decision, edit, outlooks, json);
}

/** What the operator has chosen, and the plan that follows from it. */
interface Decision {
  readonly action: Action;
  readonly selection: Selection;
  readonly decision: Plan;
  readonly edit: Edit | null;
  readonly list: ListedLetters;
}

async function carryOut(
  { broker, config, audit }: BrokerSession,
  { action, selection, decision, edit, list }: Decision,
  json: boolean,
): Promise<void> {
  const letters = [...decision.redrive, ...decision.discard];
  if (letters.length === 0) return;
  const { ids: _, ...filters } = selection;
  const act = {
    act: `dead-letters ${action}` as const,
    on: letters.map(({ id }) => id),
    options: { ...filters, ...(edit && { edit: edit.replacement.id }) },
  };
  const bar = await openBar(letters.length);
  const redrive = (report: ActReport, signal: AbortSignal) =>
    new Redriver({
      broker: withDeadlines(broker, config),
      config,
      release: (release) => releaseInDatabase(config, release),
      edit,
      by: localUser(),
      signal,
      listener: listenerFor(json, report, bar.add),
      letters: list,
    }).carryOut(decision);
  try {
    await interruptibly(
      (signal) => audit.carryOut(act, (report) => redrive(report, signal), signal),
      'the letters that are left stay on the list. Run the same command again',
    );
  } finally {
    bar.close();
  }
}

/** The most letters that a warning names. */
const MAX_EXAMPLES = 3;

/** Warns of letters that may belong to the choice, but whose lists were cut. */
function warnOfCutLetters(
  open: readonly ListedLetter[],
  { redrive, discard }: Plan,
  sku: string | undefined,
): void {
  const taken = new Set([...redrive, ...discard]);
  const needed = sku === undefined ? 'behind' : 'skus';
  const suspects = open.filter((letter) => !taken.has(letter) && letter.cut?.includes(needed));
  if (suspects.length === 0) return;
  const places = suspects.slice(0, MAX_EXAMPLES).map(({ id }) => id);
  printToStderr(
    `warning: ${suspects.length} more letters may belong to these, but had no room to say so. ` +
      `Look at each with "npx allocation dead-letters show" (${places.join(', ')}), ` +
      'and give the places of those that you want',
  );
}

/** Prints what becomes of the letters, and reports it to the audit. */
function listenerFor(
  json: boolean,
  report: ActReport,
  advance: (count: number) => void,
): RedriveListener {
  return {
    onResolved({ id }, resolution, by, replacedBy) {
      const as = replacedBy === null ? '' : ` as ${visible(replacedBy)}`;
      const value = { id, result: resolution, by, ...(replacedBy !== null && { replacedBy }) };
      printOutcome(json, value, `${id} ${resolution}${as}`);
      report.done(id);
      advance(1);
    },
    onFailedAgain({ id, commandId, message }) {
      printOutcome(json, { id, result: 'failed-again', commandId, message }, null);
      printToStderr(visible(`error: ${commandId} failed again: ${message} (now ${id})`));
      report.failed(`${commandId} failed again: ${message} (now ${id})`);
      process.exitCode = 1;
    },
    onUnanswered() {
      printToStderr(
        'The service has not answered all commands yet. ' +
          'See later what is left: npx allocation dead-letters list',
      );
    },
  };
}
