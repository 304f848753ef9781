import { placeOf } from '../domain/place.ts';
import { readAnswerPlace } from '../messages/answer-place.ts';
import { structuredEventsOf } from '../messages/structured-events.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { Turns } from '../turns.ts';
import { eventOf } from './plain-words.ts';
import { mayName, timeOf } from './record-steps.ts';
import { goOnWithHistory, historyCursorOf } from './search-cursor.ts';
import {
  type Hit,
  isSearched,
  newestOf,
  type SearchControl,
  searchStretch,
  type Track,
  tracksInTurn,
  tracksOf,
} from './tracks.ts';

/** How many searches read the topic at once. The others wait: the lanes share the processor. */
const MAX_SEARCHES = 1;
/** How many events a page has at most. */
const MAX_PAGE_EVENTS = 100;
/** The clocks with which two instances stamp their publications differ by less than this. */
const CLOCKS_DIFFER_MS = 60_000;

/** One event of a product. */
export interface HistoryEvent {
  readonly id: string | null;
  readonly type: string | null;
  /** When the service decided, ISO 8601. */
  readonly at: string;
  readonly sequence: number;
  /** Where the event lies: `topic/partition/offset`. */
  readonly place: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One page of a history. */
interface HistoryPage {
  /** By sequence, the newest first. It may be empty although the history goes on. */
  readonly events: readonly HistoryEvent[];
  /** Where the next page begins. Null: the events topic has no more events of the product. */
  readonly cursor: string | null;
}

interface ProductHistoriesOptions {
  readonly broker: Pick<Broker, 'read' | 'offsetRanges'>;
  readonly eventsTopic: string;
}

/** Reads the history of a product, newest first, out of the events topic. */
export class ProductHistories {
  readonly #options: ProductHistoriesOptions;
  readonly #turns = new Turns(MAX_SEARCHES);

  constructor(options: ProductHistoriesOptions) {
    this.#options = options;
  }

  /**
   * Reads one page.
   *
   * @param after the cursor of the page before; empty: the page with the newest event
   * @throws {TroubleError} the log cannot be reached
   */
  page(sku: string, after: string, control: SearchControl): Promise<HistoryPage> {
    return this.#turns.take(async () => {
      const { broker, eventsTopic } = this.#options;
      const tracks = await tracksOf(broker, eventsTopic);
      const before = goOnWithHistory(tracks, after);
      return await new PageSearch(broker, sku, tracks, before).run(control);
    });
  }
}

interface FoundEvent extends HistoryEvent {
  readonly track: Track;
  readonly offset: number;
  readonly timestampMs: number;
}

/**
 * The search for one page. A lane publishes an event after the events that it rests on. So each
 * partition has the events of a product in the order of their sequences. The newest waiting event
 * comes next in two cases: its sequence is the next one, or no partition can have one in between.
 */
class PageSearch {
  readonly #broker: Pick<Broker, 'read'>;
  readonly #sku: string;
  readonly #tracks: readonly Track[];
  /** The sequence of the last event of the page. */
  #last: number;
  /** The events that are found and not on the page yet, by sequence, the newest last. */
  #waiting: FoundEvent[] = [];

  constructor(broker: Pick<Broker, 'read'>, sku: string, tracks: readonly Track[], before: number) {
    this.#broker = broker;
    this.#sku = sku;
    this.#tracks = tracks;
    this.#last = before;
  }

  async run({ isTimeUp, rest }: SearchControl): Promise<HistoryPage> {
    const events: HistoryEvent[] = [];
    // The cursor does not pass events that wait, so the next request must find them again. If the
    // cursor did not move, every request would do the same. So go on until the cursor moves.
    let hasMoved = false;
    while (!(hasMoved && isTimeUp()) && events.length < MAX_PAGE_EVENTS) {
      const next = this.#waiting.at(-1) ?? null;
      const track = next?.sequence === this.#last - 1 ? null : this.#trackBefore(next);
      if (track !== null) {
        const startedMs = performance.now();
        this.#keep(track, await searchStretch(this.#broker, track, (record) => this.#find(record)));
        hasMoved ||= !this.#waiting.some((event) => event.track === track);
        await rest(performance.now() - startedMs);
        continue;
      }
      if (next === null) break;
      this.#waiting = this.#waiting.filter(({ sequence }) => sequence < next.sequence);
      this.#last = next.sequence;
      const { track: _, offset: __, timestampMs: ___, ...event } = next;
      events.push(event);
      hasMoved = true;
    }
    return { events, cursor: this.#cursor() };
  }

  /** Returns a partition that may have an event between the page's last one and `next`. */
  #trackBefore(next: FoundEvent | null): Track | null {
    if (next === null) return newestOf(tracksInTurn(this.#tracks));
    const waits = new Set(this.#waiting.map(({ track }) => track));
    const publishedMs = next.timestampMs - CLOCKS_DIFFER_MS;
    return newestOf(
      tracksInTurn(
        this.#tracks.filter((track) => !waits.has(track) && track.reachedMs >= publishedMs),
      ),
    );
  }

  #find(record: ReceivedRecord): readonly HistoryEvent[] {
    const { headers, value } = record;
    if (!mayName(value, this.#sku) || readAnswerPlace(record) === null) return [];
    // A copy by `replay events` repeats an event that another record has.
    if (Object.hasOwn(headers, 'ce_replay')) return [];
    const place = placeOf(record);
    return structuredEventsOf(record).flatMap((each) => {
      const { id, type, time, sku, sequence, data } = eventOf(each);
      if (sku !== this.#sku || sequence === null || sequence >= this.#last) return [];
      return [{ id, type, at: time ?? timeOf(record), sequence, place, data }];
    });
  }

  #keep(track: Track, hits: readonly Hit<HistoryEvent>[]): void {
    this.#waiting.push(
      ...hits.flatMap(({ offset, timestampMs, found }) =>
        found.map((event) => ({ ...event, track, offset, timestampMs })),
      ),
    );
    this.#waiting.sort((one, other) => one.sequence - other.sequence);
  }

  #cursor(): string | null {
    if (this.#waiting.length === 0 && this.#tracks.every(isSearched)) return null;
    // The next request must find the waiting events again.
    for (const { track, offset } of this.#waiting) track.next = Math.max(track.next, offset + 1);
    return historyCursorOf(this.#tracks, this.#last);
  }
}
