import { setTimeout as sleep } from 'node:timers/promises';
import type { Release } from '../adapters/database/lanes/parked-release.ts';
import type { Identity } from '../domain/identity.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { AddressedRecord } from '../service-layer/records.ts';
import { letterChunksOf } from './letter-chunks.ts';
import { LetterHeads } from './letter-heads.ts';
import { markerRecord, type Resolution } from './markers.ts';
import { type Plan, plan } from './plan.ts';
import { type DeadLetter, namesOf, type PlannedLetter } from './read-dead-letter.ts';
import { originalPartition, type Replacement, redriveRecord } from './redrive-records.ts';
import { placeIn, readPage } from './waiting-letters.ts';

/** A service at work answers well within this time. The operator's terminal waits for it. */
const MAX_ANSWER_WAIT_MS = 30_000;
const POLL_MS = 100;

/** The operator replaces a letter's command by another one. */
export interface Edit {
  readonly letter: DeadLetter;
  readonly replacement: Replacement;
}

/** Hears what becomes of the letters. */
export interface RedriveListener {
  /** @param replacedBy the id of the command that was sent instead; null: no command was */
  onResolved(
    letter: PlannedLetter,
    resolution: Resolution,
    by: string,
    replacedBy: string | null,
  ): void;
  /** A command that was sent again has a new letter. */
  onFailedAgain(letter: DeadLetter): void;
  /** The service has not answered all commands in time. Letters behind them stay on the list. */
  onUnanswered(): void;
}

/** A list of letters that is brought up to date each time it is read. */
export interface LetterList {
  /**
   * @param signal ends the call, which then throws the signal's reason
   * @returns every letter, oldest first
   */
  read(signal: AbortSignal): Promise<readonly PlannedLetter[]>;
}

type RedriveBroker = Pick<Broker, 'read' | 'offsetRanges' | 'publish' | 'committedOffsets'>;

export interface RedriverParts {
  /** Each of its calls must end within a limited time. */
  readonly broker: RedriveBroker;
  readonly config: {
    readonly commandsTopic: string;
    readonly deadLettersTopic: string;
    readonly groupId: string;
  };
  /** Tells the service's database what was decided about parked commands. */
  readonly release: (release: Release) => Promise<void>;
  readonly edit: Edit | null;
  /** Who decided: `user@host`, or the caller over HTTP. */
  readonly by: string;
  /** Ends the work after the letters under way. */
  readonly signal: AbortSignal;
  readonly listener: RedriveListener;
  /** The list that the plan was made from, so that nothing is read twice. Absent: a new list. */
  readonly letters?: LetterList;
}

/**
 * Carries a plan out: sends letters again, or discards them.
 *
 * 1. The database learns what was decided about parked commands
 *    (adapters/database/lanes/parked-release.ts).
 * 2. The messages go to the commands topic.
 * 3. Markers take the letters off the list.
 *
 * A crash in between leaves letters on the list. The next run makes the same decision about the
 * same commands, by their ids, and the service answers each command once.
 */
export class Redriver {
  readonly #broker: RedriveBroker;
  readonly #config: RedriverParts['config'];
  readonly #tellDatabase: RedriverParts['release'];
  readonly #edit: Edit | null;
  readonly #listener: RedriveListener;
  readonly #letters: LetterList;
  readonly #by: string;
  readonly #signal: AbortSignal;

  constructor(parts: RedriverParts) {
    const { broker, config, release, edit, by, signal, listener, letters } = parts;
    this.#broker = broker;
    this.#config = config;
    this.#tellDatabase = release;
    this.#edit = edit;
    this.#listener = listener;
    this.#by = by;
    this.#signal = signal;
    this.#letters = letters ?? new LetterHeads(broker, config.deadLettersTopic);
  }

  /**
   * Sends and discards the letters of the plan. Then follows the commands behind them, until all
   * are sent, one fails again, or the service does not answer in time.
   *
   * @throws the topic has deleted a letter meanwhile, or a call to the broker or database failed
   * @throws the signal's reason, once the signal has aborted
   */
  async carryOut({ redrive, discard }: Plan): Promise<void> {
    this.#signal.throwIfAborted();
    if ([...redrive, ...discard].some(isParked))
      await this.#tellDatabase(this.#releaseOf(redrive, discard));
    // Discard last: after a crash, the failed command is still on the list, and leads to the rest.
    const places = await this.#sendAgain(redrive);
    await this.#mark(discard, 'discarded');
    if (redrive.some(isParked)) await this.#follow(redrive, places);
  }

  #releaseOf(redrive: readonly PlannedLetter[], discard: readonly PlannedLetter[]): Release {
    const parked = (letters: readonly PlannedLetter[]) =>
      letters.filter(isParked).map(({ identity }) => identity);
    const edit = this.#edit;
    const replaced = edit && { identity: edit.letter.identity, by: edit.replacement.identity };
    return { redriven: parked(redrive), discarded: parked(discard), replaced };
  }

  async #sendAgain(letters: readonly PlannedLetter[]): Promise<readonly PublishedPlace[]> {
    const places: PublishedPlace[] = [];
    if (letters.length === 0) return places;
    const { commandsTopic } = this.#config;
    const partitions = (await this.#broker.offsetRanges(commandsTopic)).length;
    for (const chunk of letterChunksOf(letters)) {
      this.#signal.throwIfAborted();
      const records = (await this.#fetch(chunk)).map((letter) =>
        this.#recordOf(letter, partitions),
      );
      places.push(...(await this.#broker.publish(commandsTopic, records)));
      await this.#mark(chunk, 'redriven');
    }
    return places;
  }

  /** Reads the letters with their headers and values. @throws the topic has deleted one of them */
  async #fetch(listed: readonly PlannedLetter[]): Promise<readonly DeadLetter[]> {
    const { deadLettersTopic } = this.#config;
    const letters = await readPage(this.#broker, deadLettersTopic, listed.map(placeIn));
    const byId = new Map(letters.map((letter) => [letter.id, letter]));
    return listed.map(({ id }) => {
      const letter = byId.get(id);
      if (letter) return letter;
      throw new Error(
        `The dead letter ${id} is gone: the topic ${deadLettersTopic} has deleted it meanwhile. ` +
          'Run the command again for the letters that are left',
      );
    });
  }

  async #mark(letters: readonly PlannedLetter[], resolution: Resolution): Promise<void> {
    const replacedBy = (letter: PlannedLetter) => this.#replacementOf(letter)?.id ?? null;
    for (const chunk of letterChunksOf(letters)) {
      if (resolution === 'discarded') this.#signal.throwIfAborted();
      const markers = chunk.map((letter) =>
        markerRecord(letter, resolution, this.#by, new Date(), replacedBy(letter)),
      );
      await this.#broker.publish(this.#config.deadLettersTopic, markers);
      for (const letter of chunk)
        this.#listener.onResolved(letter, resolution, this.#by, replacedBy(letter));
    }
  }

  /** Addresses the record to the original's partition. If there is none, the key decides. */
  #recordOf(letter: DeadLetter, partitions: number): AddressedRecord {
    const record = this.#replacementOf(letter) ?? redriveRecord(letter);
    const partition = originalPartition(this.#config.commandsTopic, letter);
    return partition === null || partition >= partitions ? record : { ...record, partition };
  }

  #replacementOf({ id }: PlannedLetter): Replacement | null {
    return id === this.#edit?.letter.id ? this.#edit.replacement : null;
  }

  /**
   * Sends the commands that were parked behind the first ones meanwhile. A command is parked again
   * if it came through another lane, or arrived before the failed command was answered.
   *
   * Ends when nothing is left to send, or when every command of the last round is parked again.
   * Those commands wait for an earlier redrive, and sending more would only fill the topics.
   */
  async #follow(first: readonly PlannedLetter[], firstPlaces: readonly PublishedPlace[]) {
    const sent = new Set(first.flatMap((letter) => [...namesOf(letter), ...letter.behind]));
    if (this.#edit) sent.add(this.#edit.replacement.identity);
    let last = first;
    for (let places = firstPlaces; places.length > 0; ) {
      if (!(await this.#areAnswered(places))) return this.#listener.onUnanswered();
      const { failures, successors } = await this.#readLettersBehind(sent);
      if (successors.length === 0) {
        for (const chunk of letterChunksOf(failures))
          for (const letter of await this.#fetch(chunk)) this.#listener.onFailedAgain(letter);
        return;
      }
      const waiting = new Set(successors.map(({ identity }) => identity));
      if (last.every(({ identity }) => waiting.has(identity))) return this.#listener.onUnanswered();
      last = plan('redrive', successors, successors, Number.POSITIVE_INFINITY).redrive;
      for (const { identity } of last) sent.add(identity);
      places = await this.#sendAgain(last);
    }
  }

  /**
   * Reads which of the commands that were sent have failed again, and which commands wait behind
   * the others.
   */
  async #readLettersBehind(sent: ReadonlySet<Identity>): Promise<{
    readonly failures: readonly PlannedLetter[];
    readonly successors: readonly PlannedLetter[];
  }> {
    const open = (await this.#letters.read(this.#signal)).filter(
      ({ resolution }) => resolution === null,
    );
    const failures = open.filter(
      (letter) =>
        letter.reason === 'handler-failed' && namesOf(letter).some((name) => sent.has(name)),
    );
    const stuck = new Set(failures.flatMap(namesOf));
    const successors = open.filter(
      ({ behind }) =>
        behind.some((name) => sent.has(name)) && !behind.some((name) => stuck.has(name)),
    );
    return { failures, successors };
  }

  async #areAnswered(places: readonly PublishedPlace[]): Promise<boolean> {
    const { groupId, commandsTopic } = this.#config;
    const giveUpAtMs = Date.now() + MAX_ANSWER_WAIT_MS;
    while (Date.now() < giveUpAtMs) {
      const committed = await this.#broker.committedOffsets(groupId, commandsTopic);
      if (places.every(({ partition, offset }) => (committed[partition] ?? 0) > offset))
        return true;
      this.#signal.throwIfAborted();
      await sleep(POLL_MS);
    }
    return false;
  }
}

interface PublishedPlace {
  readonly partition: number;
  readonly offset: number;
}

function isParked({ position }: PlannedLetter): boolean {
  return position !== null;
}
