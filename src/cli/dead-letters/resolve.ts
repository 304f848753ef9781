import { readFile } from 'node:fs/promises';
import type { Release } from '../../adapters/database/lanes/parked-commands.ts';
import { edited, type ListedLetter } from '../../dead-letters/dead-letter-box.ts';
import { ListedLetters } from '../../dead-letters/listed-letters.ts';
import {
  type Action,
  filter,
  type Plan,
  plan,
  refuseSeveralSources,
  type Selection,
} from '../../dead-letters/plan.ts';
import { type Correction, DeadLetterResolver, type Listener } from '../../dead-letters/redrive.ts';
import { readDeadLetter } from '../../dead-letters/waiting-letters.ts';
import { UsageError } from '../errors.ts';
import { print, printJson, printTable, say, visible } from '../output.ts';
import { openBar } from '../progress.ts';
import { type BrokerSession, withBroker } from '../session.ts';
import { releaseInDatabase } from './release.ts';
import { found } from './show.ts';

/** How to go about it. */
export interface Manner {
  /** Without it nothing is done, only told. */
  readonly execute: boolean;
  /** A command to send in the place of the one chosen: JSON, or `@file`. */
  readonly edit?: string;
  readonly maxRedrives: number;
  readonly json: boolean;
}

/** Redrives or discards the letters that still wait, or tells what that would do. */
export async function resolveDeadLetters(
  action: Action,
  selection: Selection,
  manner: Manner,
): Promise<void> {
  const { ids, all, ...filters } = selection;
  const hasFilter = Object.values(filters).some((value) => value !== undefined);
  if (Number(all) + Number(ids.length > 0) + Number(hasFilter) !== 1) {
    throw new UsageError(
      `${action} takes ids, or filters (--reason, --type, --sku, --since, --id, --source), or --all`,
    );
  }
  await withBroker({ createTopics: false }, async (session) => {
    const list = new ListedLetters(session.broker, session.config.deadLettersTopic);
    const letters = await list.read();
    const open = letters.filter(({ resolution }) => resolution === null);
    const named =
      ids.length > 0
        ? [...new Set(ids)].map((id) => found(letters.find((each) => each.id === id) ?? null, id))
        : filter(open, filters);
    refuseSeveralSources(named, filters);
    const chosen = named.filter(({ resolution }) => resolution === null);
    for (const { id, resolution } of named) {
      if (resolution)
        say(
          manner.json,
          { id, result: 'unchanged', resolution },
          `${id} was ${resolution} before: nothing to do`,
        );
    }
    const correction =
      manner.edit === undefined ? null : await correct(session, action, chosen, manner.edit);
    const decided = plan(action, chosen, open, manner.maxRedrives, correction?.letter);
    for (const { letter, why } of decided.refused) {
      say(manner.json, { id: letter.id, result: 'refused', why }, null);
      process.stderr.write(`error: ${why}\n`);
      process.exitCode = 1;
    }
    warnOfCut(open, decided, filters.sku);
    if (!manner.execute) return preview(decided, correction, manner.json);
    const bar = await openBar(decided.redrive.length + decided.discard.length);
    const tellDatabase = (release: Release) => releaseInDatabase(session.config, release);
    try {
      await new DeadLetterResolver(
        session,
        tellDatabase,
        correction,
        listener(manner.json, bar.add),
        list,
      ).carryOut(decided);
    } finally {
      bar.close();
    }
    if (named.length === 0 && !manner.json) print('No dead letters');
  });
}

/** Says which letters may belong to what was chosen: they had no room to tell. */
function warnOfCut(
  open: readonly ListedLetter[],
  { redrive, discard }: Plan,
  sku: string | undefined,
): void {
  const taken = new Set([...redrive, ...discard]);
  const missed = open.filter(
    (each) => !taken.has(each) && each.cut?.includes(sku === undefined ? 'behind' : 'skus'),
  );
  if (missed.length === 0) return;
  const places = missed.slice(0, CUT_NAMED).map(({ id }) => id);
  process.stderr.write(
    `warning: ${missed.length} letters had no room for all that they are about, or wait for, and are not among these: ` +
      `look at them (dead-letters show ${places.join(', ')}), and name their places\n`,
  );
}

/** So many letters are named. */
const CUT_NAMED = 3;

/** Tells whoever has called the command. */
function listener(json: boolean, done: (count: number) => void): Listener {
  return {
    resolved({ id }, resolution, by, replacedBy) {
      const as = replacedBy === null ? '' : ` as ${visible(replacedBy)}`;
      say(
        json,
        { id, result: resolution, by, ...(replacedBy !== null && { replacedBy }) },
        `${id} ${resolution}${as}`,
      );
      done(1);
    },
    failedAgain({ id, commandId, message }) {
      say(json, { id, result: 'failed-again', commandId, message }, null);
      process.stderr.write(`error: ${commandId} failed again: ${message} (now ${id})\n`);
      process.exitCode = 1;
    },
    unanswered() {
      process.stderr.write(
        'The service has not answered them yet. Look later what is left: npx allocation dead-letters list\n',
      );
    },
  };
}

async function correct(
  { broker, config }: BrokerSession,
  action: Action,
  chosen: readonly ListedLetter[],
  edit: string,
): Promise<Correction> {
  const [listed] = chosen;
  if (action !== 'redrive' || chosen.length !== 1 || !listed)
    throw new UsageError('--edit corrects one letter: redrive <id> --edit <json>');
  const letter = found(await readDeadLetter(broker, config.deadLettersTopic, listed.id), listed.id);
  return {
    letter,
    message: edited(letter, edit.startsWith('@') ? await readFile(edit.slice(1), 'utf8') : edit),
  };
}

function preview({ redrive, discard }: Plan, correction: Correction | null, json: boolean): void {
  const corrected =
    correction && redrive.some(({ id }) => id === correction.letter.id) ? correction : null;
  const rows = [
    ...discard.map((letter) => ({ letter, result: 'discard' })),
    ...redrive.map((letter) => ({ letter, result: 'redrive' })),
  ];
  if (json) {
    for (const { letter, result } of rows) {
      const edit = letter.id === corrected?.letter.id && {
        replacedBy: corrected.message.id,
        edit: String(corrected.message.value),
      };
      printJson({ id: letter.id, result: `would-${result}`, commandId: letter.commandId, ...edit });
    }
    return;
  }
  if (rows.length === 0) {
    print('No dead letters');
    return;
  }
  printTable(
    ['ID', 'WOULD', 'REASON', 'COMMAND', 'SKUS', 'REDRIVES'],
    rows.map(({ letter, result }) => {
      const { id, reason, type, commandId, skus, redrives } = letter;
      return [
        id,
        result,
        reason,
        visible(`${type ?? '?'} ${commandId}`),
        visible(skus.join(', ')) || '-',
        redrives,
      ];
    }),
  );
  if (corrected) {
    const { letter, message } = corrected;
    print(
      `\n${letter.id} is edited: instead of ${visible(letter.commandId)}, ${visible(message.id)} is sent:`,
    );
    print(visible(String(message.value)));
  }
  print(`\nNothing is done yet. To do it, add --execute`);
}
