import { placeOf } from '../domain/place.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { byAge, IndexedLetter } from './indexed-letter.ts';
import { LeftOutLetters } from './left-out-letters.ts';
import { type Fate, fateOf, isMarker, letterOfMarker } from './markers.ts';
import { SharedValues } from './shared-values.ts';
import { placeIn } from './waiting-letters.ts';

/**
 * The most letters in the index, which take about 100 MB. A full index forgets letters that were
 * redriven or discarded. If the letters on the list alone are more, the newest of them are left out
 * until half of the index is free.
 */
const MAX_LETTERS = 250_000;

/**
 * Keeps in memory what lists, groups and plans need to know about each letter of one topic.
 *
 * The index takes the records of the topic, in the order of each partition. A marker may come
 * before its letter, because a letter without a key may lie in another partition.
 */
export class LetterIndex {
  readonly #maxLetters: number;
  #shared = new SharedValues();
  #letters: IndexedLetter[] = [];
  #isSorted = true;
  #byPlace = new Map<number, Map<number, IndexedLetter>>();
  /** What became of letters that the index does not have, by id, the oldest first. */
  #fates = new Map<string, Fate>();
  #openByReason = new Map<string, number>();
  #resolvedCount = 0;
  /** The letters on the list that the index has no room for. */
  readonly leftOut = new LeftOutLetters();

  constructor(maxLetters = MAX_LETTERS) {
    this.#maxLetters = maxLetters;
  }

  /** How many letters are on the list, without those that are left out. */
  get openCount(): number {
    return this.#letters.length - this.#resolvedCount;
  }

  /** How many letters are on the list, by reason, without those that are left out. */
  get openByReason(): ReadonlyMap<string, number> {
    return this.#openByReason;
  }

  /** Whether the index has room again for letters that it left out. */
  get canTakeLeftOut(): boolean {
    return this.leftOut.count > 0 && this.openCount < this.#maxLetters / 2;
  }

  /** Every letter, the oldest first. The list changes with the index. */
  get letters(): readonly IndexedLetter[] {
    if (!this.#isSorted) this.#letters.sort(byAge);
    this.#isSorted = true;
    return this.#letters;
  }

  /** Returns the letter at a place. Null: the index has no letter there. */
  at(partition: number, offset: number): IndexedLetter | null {
    return this.#byPlace.get(partition)?.get(offset) ?? null;
  }

  /** Finds a letter by its place. Null: the index has no such letter. */
  findById(id: string): IndexedLetter | null {
    const { partition, offset } = placeIn({ id });
    const letter = this.at(partition, offset);
    return letter?.id === id ? letter : null;
  }

  /** Takes a record of the topic. */
  add(record: ReceivedRecord): void {
    if (isMarker(record)) this.#addMarker(record);
    else this.#addLetter(record);
  }

  /** Forgets letters that the topic has deleted. @param beginning the first offset that is left */
  forgetBefore(partition: number, beginning: number): void {
    const isGone = (place: { readonly partition: number; readonly offset: number }) =>
      place.partition === partition && place.offset < beginning;
    if (this.#letters.some(isGone)) this.#keep((letter) => !isGone(letter));
    for (const id of this.#fates.keys()) if (isGone(placeIn({ id }))) this.#fates.delete(id);
    this.leftOut.forgetBefore(partition, beginning);
  }

  /** Forgets everything. */
  clear(): void {
    this.#keep(() => false);
    this.#shared = new SharedValues();
    this.#fates.clear();
    this.leftOut.clear();
  }

  #addLetter(record: ReceivedRecord): void {
    const id = placeOf(record);
    const fate = this.#fates.get(id) ?? null;
    this.#fates.delete(id);
    this.leftOut.delete(record);
    if (!this.#hasRoom()) {
      if (fate === null) this.leftOut.add(record);
      return;
    }
    const letter = new IndexedLetter(record, this.#shared);
    letter.fate = fate;
    this.#put(letter);
  }

  #addMarker(record: ReceivedRecord): void {
    const id = letterOfMarker(record);
    if (id === null) return;
    const { partition, offset } = placeIn({ id });
    if (id !== placeOf({ topic: record.topic, partition, offset })) return;
    if (this.leftOut.delete({ partition, offset })) return;
    const letter = this.at(partition, offset);
    if (letter === null) this.#remember(id, fateOf(record));
    else if (letter.fate === null) {
      letter.fate = fateOf(record);
      this.#resolvedCount += 1;
      this.#countOpen(letter.reason, -1);
    }
  }

  /** Keeps the fate of a letter that has not come yet. The first marker of a letter counts. */
  #remember(id: string, fate: Fate): void {
    if (!this.#fates.has(id)) this.#fates.set(id, fate);
    const [oldest] = this.#fates.keys();
    if (this.#fates.size > this.#maxLetters && oldest !== undefined) this.#fates.delete(oldest);
  }

  #hasRoom(): boolean {
    if (this.#letters.length < this.#maxLetters) return true;
    // Each pass over all letters must free many. Otherwise each new letter would cost one pass.
    if (this.#resolvedCount < this.#maxLetters / 10) return false;
    this.#keep(({ fate }) => fate === null);
    return true;
  }

  #put(letter: IndexedLetter): void {
    const { partition, offset } = letter;
    const last = this.#letters.at(-1);
    if (last && byAge(last, letter) > 0) this.#isSorted = false;
    this.#letters.push(letter);
    const ofPartition = this.#byPlace.get(partition) ?? new Map<number, IndexedLetter>();
    this.#byPlace.set(partition, ofPartition.set(offset, letter));
    if (letter.fate === null) this.#countOpen(letter.reason, 1);
    else this.#resolvedCount += 1;
  }

  #keep(isKept: (letter: IndexedLetter) => boolean): void {
    const letters = this.#letters.filter(isKept);
    this.#letters = [];
    this.#byPlace = new Map();
    this.#openByReason = new Map();
    this.#resolvedCount = 0;
    for (const letter of letters) this.#put(letter);
  }

  #countOpen(reason: string, more: number): void {
    const count = (this.#openByReason.get(reason) ?? 0) + more;
    if (count === 0) this.#openByReason.delete(reason);
    else this.#openByReason.set(reason, count);
  }
}
