import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

/** How many offsets are read at once. A search checks its time between two stretches. */
const STRETCH_OFFSETS = 5_000;
/** The most records that a search keeps of one stretch, for memory and for a fast answer. */
export const MAX_HITS = 50;
/** The most steps or events that a search keeps of one stretch, if several records have them. */
const MAX_FOUND = 500;
/** How long one stretch may take to be read. Kafka may be away, or a transaction may stay open. */
const READ_TIMEOUT_MS = 10_000;
/** The most partitions that are searched side by side. A cursor must be short enough for a URL. */
const MAX_TRACKS_AT_ONCE = 64;

/** How far back one partition of a topic is searched. */
export interface Track {
  readonly topic: string;
  readonly partition: number;
  readonly beginning: number;
  readonly end: number;
  /** Everything from this offset on is searched. */
  next: number;
  /** The timestamp of the oldest record that this request has read. Infinity: it has read none. */
  reachedMs: number;
  /** Whether the partition is searched before the others. */
  isLikely: boolean;
}

/** Paces a search that goes on for long. */
export interface SearchControl {
  /** Tells whether to answer with what is found. Asked between two stretches. */
  readonly isTimeUp: () => boolean;
  /** Called after each stretch with how long the stretch took. Resolves when the next may begin. */
  readonly rest: (tookMs: number) => Promise<void>;
}

/** What a search has found in one record. */
export interface Hit<Found> {
  readonly offset: number;
  readonly timestampMs: number;
  readonly found: readonly Found[];
}

/** Makes the tracks of a topic. Nothing of them is searched yet. */
export async function tracksOf(
  broker: Pick<Broker, 'offsetRanges'>,
  topic: string,
): Promise<Track[]> {
  const ranges = await broker.offsetRanges(topic);
  return ranges
    .toSorted((one, other) => one.partition - other.partition)
    .map((range) => ({
      topic,
      ...range,
      next: Math.max(range.beginning, range.end),
      reachedMs: Number.POSITIVE_INFINITY,
      isLikely: false,
    }));
}

/** Tells whether the partition is searched to its beginning. */
export function isSearched({ next, beginning }: Track): boolean {
  return next <= beginning;
}

/** Returns the tracks that are searched now: the likely ones first, and a limited number. */
export function tracksInTurn(tracks: readonly Track[]): readonly Track[] {
  const open = tracks.filter((track) => !isSearched(track));
  const likely = open.filter(({ isLikely }) => isLikely);
  const begun = (likely.length > 0 ? likely : open).toSorted(
    (one, other) => Number(other.next < other.end) - Number(one.next < one.end),
  );
  return begun.slice(0, MAX_TRACKS_AT_ONCE);
}

/** Returns the track that is searched back the least. Null: there are none. */
export function newestOf(tracks: readonly Track[]): Track | null {
  let newest: Track | null = null;
  for (const track of tracks)
    if (newest === null || track.reachedMs > newest.reachedMs) newest = track;
  return newest;
}

/**
 * Searches the next stretch of the track, and moves `next` back. A stretch with very many hits is
 * cut: the newest hits count, and the next stretch begins before them.
 *
 * @param find returns what the search wants of a record; empty: nothing
 * @returns the hits in the order of the topic
 * @throws {TroubleError} the log cannot be reached, or not in time
 */
export async function searchStretch<Found>(
  broker: Pick<Broker, 'read'>,
  track: Track,
  find: (record: ReceivedRecord) => readonly Found[],
): Promise<readonly Hit<Found>[]> {
  const { topic, partition, next: end } = track;
  const hits: Hit<Found>[] = [];
  let kept = 0;
  let beginning = Math.max(track.beginning, end - STRETCH_OFFSETS);
  let oldestMs = Number.POSITIVE_INFINITY;
  const range = { partition, beginning, end };
  await readInTime(broker, topic, [range], (record) => {
    const { offset, timestampMs } = record;
    oldestMs = Math.min(oldestMs, timestampMs);
    const found = find(record);
    if (found.length === 0) return;
    hits.push({ offset, timestampMs, found });
    kept += found.length;
    while (hits.length > 1 && (hits.length > MAX_HITS || kept > MAX_FOUND)) {
      const oldest = hits.shift() as Hit<Found>;
      kept -= oldest.found.length;
      beginning = oldest.offset + 1;
      oldestMs = oldest.timestampMs;
    }
  });
  track.next = beginning;
  // A stretch may have only transaction markers. Then the search knows no new time.
  if (oldestMs !== Number.POSITIVE_INFINITY) track.reachedMs = Math.min(track.reachedMs, oldestMs);
  return hits;
}

/** Reads ranges of a topic in bounded time. @throws {TroubleError} that takes too long */
export async function readInTime(
  broker: Pick<Broker, 'read'>,
  topic: string,
  ranges: readonly OffsetRange[],
  take: (record: ReceivedRecord) => void,
): Promise<void> {
  if (ranges.length === 0) return;
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
  try {
    await broker.read(topic, ranges, async ({ records }) => records.forEach(take), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new TroubleError(
      `${topic} could not be read within ${READ_TIMEOUT_MS / 1_000} s: ask again later`,
      { cause: error },
    );
  }
}
