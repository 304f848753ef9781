import { partitionOfKey } from '../adapters/broker/kafka/key-partition.ts';
import { FRONT_DOOR_PARTITION } from '../messages/front-door.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import {
  isLetterWithoutMessage,
  letterStep,
  receivedStep,
  stepsOfAnswer,
  stepsOfCommand,
  stepsOfLetter,
  timeOf,
} from './record-steps.ts';
import { readPlaces, resolutionsOf } from './related-steps.ts';
import { cursorOf } from './search-cursor.ts';
import {
  isSearched,
  MAX_HITS,
  newestOf,
  type SearchControl,
  searchStretch,
  type Track,
  tracksInTurn,
} from './tracks.ts';
import type { LinkedStep } from './way-step.ts';

export interface OrderWaysOptions {
  readonly broker: Pick<Broker, 'read' | 'offsetRanges'>;
  readonly commandsTopic: string;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
}

/** What one request has found. */
export interface WayPart {
  /** In no order. A step that another request has found may be among them. */
  readonly steps: readonly LinkedStep[];
  /** Where the next request goes on. Null: all that the topics have was searched. */
  readonly cursor: string | null;
  readonly searchedUntil: SearchedUntil;
}

/** How far a search has come. */
interface SearchedUntil {
  /**
   * The search has read everything since this time in the partitions where it is under way, ISO
   * 8601. Null: nobody can tell.
   */
  readonly at: string | null;
  /** How many offsets are searched, and how many the topics have. */
  readonly offsets: number;
  readonly ofOffsets: number;
}

/** One request's part of a search. */
export class WaySearch {
  readonly #options: OrderWaysOptions;
  readonly #orderid: string;
  /** The tracks of the commands, the events and the dead letters, in this order. */
  readonly #tracks: readonly (readonly Track[])[];
  readonly #control: SearchControl;
  readonly #steps: LinkedStep[] = [];
  /** Steps of letters that had no room for their messages, by the place of the message. */
  readonly #unclear = new Map<string, LinkedStep>();
  #hitCount = 0;

  constructor(
    options: OrderWaysOptions,
    orderid: string,
    tracks: readonly (readonly Track[])[],
    control: SearchControl,
  ) {
    this.#options = options;
    this.#orderid = orderid;
    this.#tracks = tracks;
    this.#control = control;
  }

  async run(skus: readonly string[]): Promise<WayPart> {
    for (const track of this.#tracks[0] ?? [])
      if (track.partition === FRONT_DOOR_PARTITION) track.isLikely = true;
    for (const key of [this.#orderid, ...skus]) this.#preferPartitionOf(key);
    const all = this.#tracks.flat();
    for (;;) {
      const track = newestOf(tracksInTurn(all));
      if (track === null || this.#hitCount >= MAX_HITS) break;
      const startedMs = performance.now();
      await this.#searchOn(track);
      await this.#control.rest(performance.now() - startedMs);
      if (this.#control.isTimeUp()) break;
    }
    await this.#addRelated();
    const isComplete = all.every(isSearched);
    return {
      steps: this.#steps,
      cursor: isComplete ? null : cursorOf(this.#tracks),
      searchedUntil: searchedUntil(all),
    };
  }

  #preferPartitionOf(key: string): void {
    for (const tracks of this.#tracks) {
      const track = tracks[partitionOfKey(key, tracks.length)];
      if (track) track.isLikely = true;
    }
  }

  async #searchOn(track: Track): Promise<void> {
    const hits = await searchStretch(this.#options.broker, track, (record) => this.#find(record));
    this.#hitCount += hits.length;
    for (const { found } of hits)
      for (const each of found) {
        if ('kind' in each) this.#add(each);
        else this.#unclear.set(each.unclear.commandPlace, each.unclear);
      }
  }

  #find(record: ReceivedRecord): readonly (LinkedStep | UnclearLetter)[] {
    const { commandsTopic, eventsTopic } = this.#options;
    if (record.topic === commandsTopic) return stepsOfCommand(record, this.#orderid);
    if (record.topic === eventsTopic) return stepsOfAnswer(record, this.#orderid);
    if (!isLetterWithoutMessage(record)) return stepsOfLetter(record, this.#orderid);
    return [{ unclear: letterStep(record) }];
  }

  #add(step: LinkedStep): void {
    this.#steps.push(step);
    if (step.sku !== null && step.kind !== 'published') this.#preferPartitionOf(step.sku);
  }

  /** Adds the commands that led to found events, and what was done about found letters. */
  async #addRelated(): Promise<void> {
    const { broker, commandsTopic, deadLettersTopic } = this.#options;
    const [commands = [], , deadLetters = []] = this.#tracks;
    const received = new Set(
      this.#steps.filter(({ kind }) => kind === 'received').map(({ place }) => place),
    );
    const named = this.#steps.map(({ commandPlace }) => commandPlace);
    const places = new Set([...named, ...this.#unclear.keys()]).difference(received);
    await readPlaces(broker, commandsTopic, commands, places, (record) => {
      const step = receivedStep(record);
      const isAboutOrder = stepsOfCommand(record, this.#orderid).length > 0;
      if (this.#unclear.has(step.place) && !isAboutOrder) return;
      this.#steps.push(step);
      received.add(step.place);
    });
    for (const [place, letter] of this.#unclear) if (received.has(place)) this.#steps.push(letter);
    const letters = this.#steps.filter(({ kind }) => kind === 'dead-letter' || kind === 'parked');
    this.#steps.push(...(await resolutionsOf(broker, deadLettersTopic, deadLetters, letters)));
  }
}

/** A dead letter without its message. Only the message says which order it is about. */
interface UnclearLetter {
  readonly unclear: LinkedStep;
}

function searchedUntil(tracks: readonly Track[]): SearchedUntil {
  const under = tracksInTurn(tracks).filter(({ reachedMs }) => Number.isFinite(reachedMs));
  const newest = newestOf(under);
  return {
    at: newest && timeOf({ timestampMs: newest.reachedMs }),
    offsets: tracks.reduce((sum, { next, end }) => sum + end - next, 0),
    ofOffsets: tracks.reduce((sum, { beginning, end }) => sum + end - beginning, 0),
  };
}
