import type { EpochEnd } from '../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import type { World } from './world.ts';

/** A record and its fate. Nobody sees a record of an open transaction, or any one after it. */
export interface Entry {
  readonly record: Pick<ReceivedRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;
  readonly isMarker: boolean;
  /** The epoch of the leader that took the record. */
  readonly leaderEpoch: number;
  fate: 'open' | Fate;
}

/** How a transaction ends. */
export type Fate = 'committed' | 'aborted';

/** How often the marker of a foreign transaction follows a record. */
const FOREIGN_MARKER_RATE = 0.05;

/** One partition of a topic, with all that ever was in it. Readers begin at `start`. */
export class LogPartition {
  readonly #world: World;
  readonly #topic: string;
  readonly #partition: number;
  readonly #entries: Entry[] = [];
  #start = 0;
  #leaderEpoch = 0;
  #readBelow = 0;
  /** The fate of every entry below this offset is decided, and perhaps that of later ones. */
  #decidedBelow = 0;

  constructor(world: World, topic: string, partition: number) {
    this.#world = world;
    this.#topic = topic;
    this.#partition = partition;
  }

  /** The first offset that is still there. */
  get start(): number {
    return this.#start;
  }

  /** The offset after the last entry, be it visible or not. */
  get length(): number {
    return this.#entries.length;
  }

  /** The end of what anybody has read. */
  get readBelow(): number {
    return this.#readBelow;
  }

  /** The offset before which the fate of every entry is decided. */
  get stableEnd(): number {
    while (
      this.#decidedBelow < this.#entries.length &&
      this.#entries[this.#decidedBelow]?.fate !== 'open'
    )
      this.#decidedBelow += 1;
    return this.#decidedBelow;
  }

  /** The offset after the last record that a `read_committed` client sees; 0: none. */
  get end(): number {
    for (let end = this.stableEnd; end > this.#start; end -= 1) {
      const { isMarker, fate } = this.#entries[end - 1] as Entry;
      if (!isMarker && fate === 'committed') return end;
    }
    return 0;
  }

  /** Returns the epoch of the leader that took the record; undefined: there is no such record. */
  leaderEpochOf(offset: number): number | undefined {
    return this.#entries[offset]?.leaderEpoch;
  }

  /**
   * Returns where the records of the leader epoch and of earlier ones end. Records that retention
   * has deleted count as theirs.
   */
  endOfEpoch(leaderEpoch: number): EpochEnd {
    const next = this.#entries.findIndex((entry) => entry.leaderEpoch > leaderEpoch);
    const offset = next < 0 ? this.#entries.length : Math.max(this.#start, next);
    return { leaderEpoch: this.leaderEpochOf(offset - 1) ?? leaderEpoch, offset };
  }

  /**
   * Appends a record outside any transaction. Now and then the marker of a transaction follows, as
   * in a topic that others write too.
   */
  append(record: LogRecord): number {
    const entry = this.add(record, 'committed');
    const offset = this.#entries.length - 1;
    if (this.#world.chance(FOREIGN_MARKER_RATE)) this.addMarker(entry);
    return offset;
  }

  /** Adds a record with this fate, which a transaction may decide later. */
  add({ key, value, headers }: LogRecord, fate: Entry['fate']): Entry {
    const entry: Entry = {
      record: {
        key: asBuffer(key),
        value: asBuffer(value),
        headers,
        timestampMs: this.#world.nowMs,
      },
      isMarker: false,
      leaderEpoch: this.#leaderEpoch,
      fate,
    };
    this.#entries.push(entry);
    return entry;
  }

  /** Adds the marker that ends the transaction of the entry. */
  addMarker({ record }: Entry): void {
    const leaderEpoch = this.#leaderEpoch;
    this.#entries.push({ record, isMarker: true, leaderEpoch, fate: 'committed' });
  }

  /** Returns what a `read_committed` client gets, and notes that somebody has read that. */
  fetch(fromOffset: number, atMost: number): ReceivedRecord[] {
    const records = this.read(Math.max(fromOffset, this.#start), atMost);
    this.#readBelow = Math.max(this.#readBelow, (records.at(-1)?.offset ?? -1) + 1);
    return records;
  }

  /** Returns what a `read_committed` client could ever see, also what retention has deleted. */
  read(fromOffset: number, atMost = Number.POSITIVE_INFINITY): ReceivedRecord[] {
    const found: ReceivedRecord[] = [];
    const [topic, partition] = [this.#topic, this.#partition];
    for (
      let offset = fromOffset;
      offset < this.#entries.length && found.length < atMost;
      offset += 1
    ) {
      const { record, isMarker, fate, leaderEpoch } = this.#entries[offset] as Entry;
      if (fate === 'open') break;
      if (fate === 'aborted' || isMarker) continue;
      found.push({ topic, partition, offset, leaderEpoch, ...record });
    }
    return found;
  }

  /** Deletes the records before the offset, as retention does. */
  deleteBefore(offset: number): void {
    this.#start = Math.max(this.#start, Math.min(offset, this.stableEnd));
    this.#world.trace(`${this.#topic}/${this.#partition} begins at ${this.#start}`);
  }

  /** Lets another broker lead. */
  electLeader(): void {
    this.#leaderEpoch += 1;
  }

  /**
   * Elects a leader that has less than the one before. The next records take the offsets of the
   * lost ones.
   * @returns whether somebody may have read the lost records
   */
  truncate(end: number): boolean {
    this.#entries.length = end;
    this.#decidedBelow = Math.min(this.#decidedBelow, end);
    this.electLeader();
    const place = `${this.#topic}/${this.#partition}`;
    this.#world.trace(`${place} ends at ${end}, in epoch ${this.#leaderEpoch}`);
    return this.#readBelow > end;
  }
}

function asBuffer(bytes: Buffer | string | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
