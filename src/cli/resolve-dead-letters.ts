import { readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../adapters/database/database.ts';
import { type DeadLetter, edited, marker, type Resolution, readDeadLetters, redriven } from './dead-letter-box.ts';
import { type Action, filter, type Plan, plan, type Selection } from './dead-letter-plan.ts';
import { UsageError } from './errors.ts';
import { print, printJson, printTable } from './output.ts';
import { openBar } from './progress.ts';
import { answering, type BrokerSession, withBroker } from './session.ts';
import { found } from './show-dead-letters.ts';

/** How to go about it. */
export interface Manner {
  /** Without it nothing is done, only told. */
  readonly execute: boolean;
  /** A command to send in the place of the one chosen: JSON, or `@file`. */
  readonly edit?: string;
  readonly maxRedrives: number;
  readonly json: boolean;
}

const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 512 * 1024;
const ANSWERED_WITHIN_MS = 30_000;
const POLL_MS = 100;

/**
 * Redrives or discards the letters that still wait.
 *
 * 1. The database learns what is decided about parked commands (adapters/database/parked-commands.ts).
 * 2. The messages are sent again.
 * 3. Markers take the letters off the list.
 *
 * A crash in between leaves letters on the list; done again it is the same decision about the same commands, by their ids, and
 * each is answered once.
 */
export async function resolveDeadLetters(action: Action, selection: Selection, manner: Manner): Promise<void> {
  const { ids, all, ...filters } = selection;
  const hasFilter = Object.values(filters).some((value) => value !== undefined);
  if (Number(all) + Number(ids.length > 0) + Number(hasFilter) !== 1) {
    throw new UsageError(`${action} takes ids, or filters (--reason, --type, --sku, --since, --id), or --all`);
  }
  await withBroker({ createTopics: false }, async (session) => {
    const letters = await readDeadLetters(session.broker, session.config.deadLettersTopic);
    const open = letters.filter(({ resolution }) => resolution === null);
    const named = ids.length > 0 ? [...new Set(ids)].map((id) => found(letters, id)) : filter(open, filters);
    const chosen = named.filter(({ resolution }) => resolution === null);
    for (const { id, resolution } of named) {
      if (resolution) say(manner, { id, result: 'unchanged', resolution }, `${id} was ${resolution} before: nothing to do`);
    }
    const decided = plan(action, chosen, open, manner.maxRedrives);
    for (const { letter, why } of decided.refused) {
      say(manner, { id: letter.id, result: 'refused', why }, null);
      process.stderr.write(`error: ${why}\n`);
      process.exitCode = 1;
    }
    const correction = manner.edit === undefined ? null : await correct(action, chosen, manner.edit);
    const resolver = new Resolver(session, manner, correction);
    if (!manner.execute) return resolver.preview(decided);
    await resolver.carryOut(decided);
    if (named.length === 0 && !manner.json) print('No dead letters');
  });
}

/** What is sent in the place of a letter. */
interface Correction {
  readonly letter: DeadLetter;
  readonly message: ReturnType<typeof edited>;
}

async function correct(action: Action, chosen: readonly DeadLetter[], edit: string): Promise<Correction> {
  const [letter] = chosen;
  if (action !== 'redrive' || chosen.length !== 1 || !letter)
    throw new UsageError('--edit corrects one letter: redrive <id> --edit <json>');
  return { letter, message: edited(letter, edit.startsWith('@') ? await readFile(edit.slice(1), 'utf8') : edit) };
}

class Resolver {
  readonly #session: BrokerSession;
  readonly #manner: Manner;
  readonly #correction: Correction | null;
  readonly #by = `${userInfo().username}@${hostname()}`;

  constructor(session: BrokerSession, manner: Manner, correction: Correction | null) {
    this.#session = session;
    this.#manner = manner;
    this.#correction = correction;
  }

  preview({ redrive, discard }: Plan): void {
    const rows = [...discard.map((letter) => ({ letter, result: 'discard' })), ...redrive.map((letter) => ({ letter, result: 'redrive' }))];
    if (this.#manner.json) {
      for (const { letter, result } of rows) printJson({ id: letter.id, result: `would-${result}`, commandId: letter.commandId });
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
        return [id, result, reason, `${type ?? '?'} ${commandId}`, skus.join(', ') || '-', redrives];
      }),
    );
    print(`\nNothing is done yet. To do it, add --execute`);
  }

  async carryOut({ redrive, discard }: Plan): Promise<void> {
    const parked = [...redrive, ...discard].filter(({ position }) => position !== null);
    if (parked.length > 0) await this.#tellDatabase(redrive, discard);
    const bar = await openBar(redrive.length + discard.length);
    try {
      // First what waits goes out: a crash then leaves the failed one on the list, and doing it again finds it.
      const places = await this.#sendAgain(redrive, bar.add);
      await this.#mark(discard, 'discarded', bar.add);
      if (redrive.some(({ position }) => position !== null)) await this.#follow(redrive, places, bar.add);
    } finally {
      bar.close();
    }
  }

  async #tellDatabase(redrive: readonly DeadLetter[], discard: readonly DeadLetter[]): Promise<void> {
    const { openDatabase } = await import('../bootstrap.ts');
    const { releaseParked } = await import('../adapters/database/parked-commands.ts');
    const correction = this.#correction;
    const ids = (letters: readonly DeadLetter[]) => letters.filter(({ position }) => position !== null).map(({ commandId }) => commandId);
    // The embedded log is in the same database, and closes it.
    const database: Database = await openDatabase(this.#session.config);
    try {
      const known = await releaseParked(database, {
        redriven: ids(redrive),
        discarded: ids(discard),
        replaced: correction && { id: correction.letter.commandId, by: correction.message.id },
      });
      if (!known) process.stderr.write('warning: the database knows none of these commands: is DATABASE_URL that of the service?\n');
    } catch (error) {
      if (!/no such table|relation .* does not exist/.test((error as Error).message)) throw error;
      throw new Error("The database is not the service's: set DATABASE_URL to the one in which these commands are parked", {
        cause: error,
      });
    } finally {
      if (this.#session.config.kafkaBrokers) await database.close();
    }
  }

  async #sendAgain(letters: readonly DeadLetter[], done: (count: number) => void): Promise<readonly Place[]> {
    const { broker, config } = this.#session;
    const places: Place[] = [];
    for (const batch of batches(letters)) {
      const messages = batch.map((letter) => (letter === this.#correction?.letter ? this.#correction.message : redriven(letter)));
      places.push(...(await answering(broker.publish(config.commandsTopic, messages), config)));
      await this.#mark(batch, 'redriven', done);
    }
    return places;
  }

  async #mark(letters: readonly DeadLetter[], resolution: Resolution, done: (count: number) => void): Promise<void> {
    const { broker, config } = this.#session;
    for (const batch of batches(letters)) {
      const markers = batch.map((letter) => marker(letter, resolution, this.#by, new Date()));
      await answering(broker.publish(config.deadLettersTopic, markers), config);
      for (const { id } of batch) say(this.#manner, { id, result: resolution, by: this.#by }, `${id} ${resolution}`);
      done(batch.length);
    }
  }

  /** What arrived, or came through another lane, before the failed command was answered is parked again: it is sent after it. */
  async #follow(first: readonly DeadLetter[], firstPlaces: readonly Place[], done: (count: number) => void): Promise<void> {
    const { broker, config } = this.#session;
    const sent = new Set(first.flatMap(({ commandId, behind }) => [commandId, ...behind]));
    for (let places = firstPlaces; places.length > 0; ) {
      if (!(await this.#areAnswered(places))) {
        process.stderr.write('The service has not answered them yet. Look later what is left: npx allocation dead-letters list\n');
        return;
      }
      const open = (await readDeadLetters(broker, config.deadLettersTopic)).filter(({ resolution }) => resolution === null);
      const failed = open.filter(({ commandId, reason }) => reason === 'handler-failed' && sent.has(commandId));
      const isStuck = ({ behind }: DeadLetter) => failed.some(({ commandId }) => behind.includes(commandId));
      const next = open.filter((letter) => letter.behind.some((id) => sent.has(id)) && !isStuck(letter));
      if (next.length === 0) {
        for (const { id, commandId, message } of failed) {
          say(this.#manner, { id, result: 'failed-again', commandId, message }, null);
          process.stderr.write(`error: ${commandId} failed again: ${message} (now ${id})\n`);
          process.exitCode = 1;
        }
        return;
      }
      const { redrive } = plan('redrive', next, next, Number.POSITIVE_INFINITY);
      for (const { commandId } of redrive) sent.add(commandId);
      places = await this.#sendAgain(redrive, done);
    }
  }

  async #areAnswered(places: readonly Place[]): Promise<boolean> {
    const { broker, config } = this.#session;
    for (const giveUpAtMs = Date.now() + ANSWERED_WITHIN_MS; Date.now() < giveUpAtMs; await sleep(POLL_MS)) {
      const committed = await answering(broker.committedOffsets(config.groupId, config.commandsTopic), config);
      if (places.every(({ partition, offset }) => (committed[partition] ?? 0) > offset)) return true;
    }
    return false;
  }
}

interface Place {
  readonly partition: number;
  readonly offset: number;
}

function batches(letters: readonly DeadLetter[]): readonly (readonly DeadLetter[])[] {
  const result: DeadLetter[][] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = letter.record.value?.length ?? 0;
    const last = result.at(-1);
    if (last && last.length < MAX_BATCH_RECORDS && bytes + size <= MAX_BATCH_BYTES) {
      last.push(letter);
      bytes += size;
    } else {
      result.push([letter]);
      bytes = size;
    }
  }
  return result;
}

/** @param line null: a person has been told on stderr */
function say({ json }: Manner, value: object, line: string | null): void {
  if (json) printJson(value);
  else if (line !== null) print(line);
}
