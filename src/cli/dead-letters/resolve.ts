import { readFile } from 'node:fs/promises';
import type { Release } from '../../adapters/database/lanes/parked-release.ts';
import { localUser } from '../../audit/local-user.ts';
import { carryOut } from '../../dead-letters/carry-out.ts';
import { type Decision, decide } from '../../dead-letters/decision.ts';
import { refuseUnclearEdit } from '../../dead-letters/edit-target.ts';
import { LetterHeads } from '../../dead-letters/letter-heads.ts';
import { foresee } from '../../dead-letters/outlook.ts';
import type { Action, Selection } from '../../dead-letters/plan.ts';
import type { PlannedLetter } from '../../dead-letters/read-dead-letter.ts';
import type { RedriveListener } from '../../dead-letters/redriver.ts';
import { withDeadlines } from '../broker-deadline.ts';
import { UsageError } from '../errors.ts';
import { withInterruption } from '../interruption.ts';
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
    const list = new LetterHeads(session.broker, session.config.deadLettersTopic);
    const { maxRedrives, json } = options;
    const letters = await list.read();
    const edit = options.edit === undefined ? null : await readJson(options.edit);
    const decision = await decide(session, letters, { action, selection, edit, maxRedrives });
    for (const letter of decision.choice) printIfResolved(letter, json);
    for (const { letter, why } of decision.plan.refused) {
      printOutcome(json, { id: letter.id, result: 'refused', why }, null);
      printToStderr(visible(`error: ${why}`));
      process.exitCode = 1;
    }
    warnOfCutLetters(decision);
    if (options.execute) await execute(session, decision, list, json);
    else await preview(session, decision, json);
    if (decision.choice.length === 0 && !json) print('No dead letters');
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

function printIfResolved({ id, resolution }: PlannedLetter, json: boolean): void {
  if (resolution === null) return;
  const line = `${id} was ${resolution} before: nothing to do`;
  printOutcome(json, { id, result: 'unchanged', resolution }, line);
}

async function preview(
  { broker, config }: BrokerSession,
  { plan, edit }: Decision,
  json: boolean,
): Promise<void> {
  const outlooks = await foresee(broker, config.deadLettersTopic, plan.redrive);
  printPreview(plan, edit, outlooks, json);
}

async function execute(
  { broker, config, audit }: BrokerSession,
  decision: Decision,
  letters: LetterHeads,
  json: boolean,
): Promise<void> {
  const { redrive, discard } = decision.plan;
  if (redrive.length + discard.length === 0) return;
  const bar = await openBar(redrive.length + discard.length);
  const parts = {
    broker: withDeadlines(broker, config),
    config,
    audit,
    release: (release: Release) => releaseInDatabase(config, release),
    by: localUser(),
    listener: listenerFor(json, bar.add),
    letters,
  };
  try {
    await withInterruption(
      (signal) => carryOut({ ...parts, signal }, decision),
      'the letters that are left stay on the list. Run the same command again',
    );
  } finally {
    bar.close();
  }
}

/** The most letters that a warning names. */
const MAX_EXAMPLES = 3;

/** Warns of letters that may belong to the choice, and had no room to say so. */
function warnOfCutLetters({ open, plan: { redrive, discard }, selection }: Decision): void {
  const taken = new Set([...redrive, ...discard]);
  const needed = selection.sku === undefined ? 'behind' : 'skus';
  const suspects = open.filter((letter) => !taken.has(letter) && letter.cut?.includes(needed));
  if (suspects.length === 0) return;
  const places = suspects.slice(0, MAX_EXAMPLES).map(({ id }) => id);
  printToStderr(
    `warning: ${suspects.length} more letters may belong to these, but had no room to say so. ` +
      `Look at each with "npx allocation dead-letters show" (${places.join(', ')}), ` +
      'and give the places of those that you want',
  );
}

/** Prints what becomes of the letters. */
function listenerFor(json: boolean, advance: (count: number) => void): RedriveListener {
  return {
    onResolved({ id }, resolution, by, replacedBy) {
      const as = replacedBy === null ? '' : ` as ${visible(replacedBy)}`;
      const value = { id, result: resolution, by, ...(replacedBy !== null && { replacedBy }) };
      printOutcome(json, value, `${id} ${resolution}${as}`);
      advance(1);
    },
    onFailedAgain({ id, commandId, message }) {
      printOutcome(json, { id, result: 'failed-again', commandId, message }, null);
      printToStderr(visible(`error: ${commandId} failed again: ${message} (now ${id})`));
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
