import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Release } from '../adapters/database/lanes/parked-commands.ts';
import { answering, type BrokerSession } from '../cli/session.ts';
import type { AddressedRecord } from '../service-layer/records.ts';
import {
  type DeadLetter,
  type edited,
  type ListedLetter,
  marker,
  namesOf,
  partitionIn,
  type Resolution,
  redriven,
} from './dead-letter-box.ts';
import { ListedLetters } from './listed-letters.ts';
import { type Plan, plan } from './plan.ts';
import { readPage } from './waiting-letters.ts';

const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 512 * 1024;
const ANSWERED_WITHIN_MS = 30_000;
const POLL_MS = 100;

/** What is sent in the place of a letter. */
export interface Correction {
  readonly letter: DeadLetter;
  readonly message: ReturnType<typeof edited>;
}

/** Hears what becomes of the letters. */
export interface Listener {
  /** @param replacedBy the id of the command that was sent in its place */
  resolved(
    letter: ListedLetter,
    resolution: Resolution,
    by: string,
    replacedBy: string | null,
  ): void;
  failedAgain(letter: ListedLetter): void;
  /** What was sent again has no answer yet, and what is behind it was not followed. */
  unanswered(): void;
}

/**
 * Carries a plan out:
 *
 * 1. The database learns what is decided about parked commands (adapters/database/lanes/parked-commands.ts).
 * 2. The messages are sent again.
 * 3. Markers take the letters off the list.
 *
 * A crash in between leaves letters on the list; done again it is the same decision about the same commands, by their ids, and
 * each is answered once.
 */
export class DeadLetterResolver {
  readonly #session: BrokerSession;
  readonly #tellDatabase: (release: Release) => Promise<void>;
  readonly #correction: Correction | null;
  readonly #listener: Listener;
  readonly #letters: ListedLetters;
  readonly #by = `${userInfo().username}@${hostname()}`;

  constructor(
    session: BrokerSession,
    tellDatabase: (release: Release) => Promise<void>,
    correction: Correction | null,
    listener: Listener,
    letters = new ListedLetters(session.broker, session.config.deadLettersTopic),
  ) {
    this.#session = session;
    this.#tellDatabase = tellDatabase;
    this.#correction = correction;
    this.#listener = listener;
    this.#letters = letters;
  }

  async carryOut({ redrive, discard }: Plan): Promise<void> {
    const parked = [...redrive, ...discard].filter(({ position }) => position !== null);
    if (parked.length > 0) await this.#tellDatabase(this.#release(redrive, discard));
    // First what waits goes out: a crash then leaves the failed one on the list, and doing it again finds it.
    const places = await this.#sendAgain(redrive);
    await this.#mark(discard, 'discarded');
    if (redrive.some(({ position }) => position !== null)) await this.#follow(redrive, places);
  }

  #release(redrive: readonly ListedLetter[], discard: readonly ListedLetter[]): Release {
    const parked = (letters: readonly ListedLetter[]) =>
      letters.filter(({ position }) => position !== null).map(({ identity }) => identity);
    const correction = this.#correction;
    const replaced = correction && {
      identity: correction.letter.identity,
      by: correction.message.identity,
    };
    return { redriven: parked(redrive), discarded: parked(discard), replaced };
  }

  async #sendAgain(letters: readonly ListedLetter[]): Promise<readonly Place[]> {
    const { broker, config } = this.#session;
    const places: Place[] = [];
    if (letters.length === 0) return places;
    const partitions = (await answering(broker.offsetRanges(config.commandsTopic), config)).length;
    for (const batch of batches(letters)) {
      const messages = (await this.#whole(batch)).map((letter) =>
        this.#addressed(letter, partitions),
      );
      places.push(...(await answering(broker.publish(config.commandsTopic, messages), config)));
      await this.#mark(batch, 'redriven');
    }
    return places;
  }

  /** Fetches what is sent again. @throws the topic has lost some of it */
  async #whole(listed: readonly ListedLetter[]): Promise<readonly DeadLetter[]> {
    const { broker, config } = this.#session;
    const places = listed.map(({ id }) => {
      const [partition, offset] = id.split('/').slice(-2).map(Number) as [number, number];
      return { partition, offset };
    });
    const found = await readPage(broker, config.deadLettersTopic, places);
    const byId = new Map(found.map((letter) => [letter.id, letter]));
    return listed.map(({ id }) => {
      const letter = byId.get(id);
      if (letter) return letter;
      throw new Error(
        `The dead letter ${id} is gone: ${config.deadLettersTopic} has deleted it meanwhile`,
      );
    });
  }

  async #mark(letters: readonly ListedLetter[], resolution: Resolution): Promise<void> {
    const { broker, config } = this.#session;
    for (const batch of batches(letters)) {
      const replacedBy = (letter: ListedLetter) => this.#replacementOf(letter)?.id ?? null;
      const markers = batch.map((letter) =>
        marker(letter, resolution, this.#by, new Date(), replacedBy(letter)),
      );
      await answering(broker.publish(config.deadLettersTopic, markers), config);
      for (const letter of batch)
        this.#listener.resolved(letter, resolution, this.#by, replacedBy(letter));
    }
  }

  /** The message, addressed to the partition that the command came through. Without it the key decides. */
  #addressed(letter: DeadLetter, partitions: number): AddressedRecord {
    const message = this.#replacementOf(letter) ?? redriven(letter);
    const partition = partitionIn(this.#session.config.commandsTopic, letter);
    return partition === null || partition >= partitions ? message : { ...message, partition };
  }

  #replacementOf({ id }: ListedLetter): Correction['message'] | null {
    return id === this.#correction?.letter.id ? this.#correction.message : null;
  }

  /**
   * What arrived, or came through another lane, before the failed command was answered is parked again: it is sent after it. When all that was
   * sent is, it waits for a command that was sent again before and is not answered yet: sending more would only fill the topics.
   */
  async #follow(first: readonly ListedLetter[], firstPlaces: readonly Place[]): Promise<void> {
    const sent = new Set(first.flatMap((letter) => [...namesOf(letter), ...letter.behind]));
    if (this.#correction) sent.add(this.#correction.message.identity);
    let last = first;
    for (let places = firstPlaces; places.length > 0; ) {
      if (!(await this.#areAnswered(places))) return this.#listener.unanswered();
      const open = (await this.#letters.read()).filter(({ resolution }) => resolution === null);
      const failed = open.filter(
        (letter) =>
          letter.reason === 'handler-failed' && namesOf(letter).some((name) => sent.has(name)),
      );
      const isStuck = ({ behind }: ListedLetter) =>
        failed.some((letter) => namesOf(letter).some((name) => behind.includes(name)));
      const next = open.filter(
        (letter) => letter.behind.some((id) => sent.has(id)) && !isStuck(letter),
      );
      if (next.length === 0) {
        for (const letter of failed) this.#listener.failedAgain(letter);
        return;
      }
      const waiting = new Set(next.map(({ identity }) => identity));
      if (last.every(({ identity }) => waiting.has(identity))) return this.#listener.unanswered();
      const { redrive } = plan('redrive', next, next, Number.POSITIVE_INFINITY);
      last = redrive;
      for (const { identity } of redrive) sent.add(identity);
      places = await this.#sendAgain(redrive);
    }
  }

  async #areAnswered(places: readonly Place[]): Promise<boolean> {
    const { broker, config } = this.#session;
    for (
      const giveUpAtMs = Date.now() + ANSWERED_WITHIN_MS;
      Date.now() < giveUpAtMs;
      await sleep(POLL_MS)
    ) {
      const committed = await answering(
        broker.committedOffsets(config.groupId, config.commandsTopic),
        config,
      );
      if (places.every(({ partition, offset }) => (committed[partition] ?? 0) > offset))
        return true;
    }
    return false;
  }
}

interface Place {
  readonly partition: number;
  readonly offset: number;
}

function batches(letters: readonly ListedLetter[]): readonly (readonly ListedLetter[])[] {
  const result: ListedLetter[][] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = letter.valueBytes ?? 0;
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
