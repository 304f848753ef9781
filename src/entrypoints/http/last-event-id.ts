import type { OffsetRange } from '../../service-layer/broker.ts';

/** Where a client stands in the events topic: by partition, the offset of its next record. */
export type Places = number[];

/** Where a client of the stream begins. */
interface StreamStart {
  /** Null: the client begins with the events that are published from now on. */
  readonly from: Places | null;
  /** Says for people what the client gets. */
  readonly comment: string;
  /** Why events between the id and the beginning do not come. Null: all of them come. */
  readonly gap: 'unknown-id' | 'too-far-behind' | 'deleted' | null;
}

/** A client sends its id back in a header, and Node takes 16 KiB of headers. */
const MAX_ID_LENGTH = 4_096;
/** `<partition>/<offset>`, several with commas. A number of up to 15 digits is below 2^53. */
const ID = /^\d{1,9}\/\d{1,15}(,\d{1,9}\/\d{1,15})*$/;

/** Writes the places as an id such as `0/1200,1/7`. Empty: the id would be too long. */
export function formatPlaces(places: Places): string {
  const id = Array.from(places, (offset, partition) => `${partition}/${offset ?? 0}`).join(',');
  return id.length > MAX_ID_LENGTH ? '' : id;
}

/**
 * Decides where a client that has read up to `lastEventId` goes on.
 *
 * @param ranges the partitions of the topic as they are now
 * @param maxMissedRecords how many records the client may have missed. Beyond that, it begins with
 * new events
 */
export function startAfter(
  lastEventId: string | undefined,
  ranges: readonly OffsetRange[],
  maxMissedRecords: number,
): StreamStart {
  if (!lastEventId) return { from: null, comment: 'live events', gap: null };
  const read = parsePlaces(lastEventId);
  const isOfThisTopic = [...(read ?? [])].every(([partition, offset]) =>
    ranges.some((range) => range.partition === partition && offset <= range.end),
  );
  if (!read || !isOfThisTopic)
    return {
      from: null,
      comment: 'Last-Event-ID is unknown here: live events from now on',
      gap: 'unknown-id',
    };
  const from: Places = [];
  let [missed, deleted] = [0, 0];
  for (const { partition, beginning, end } of ranges) {
    // A partition that the id does not name is younger than the id.
    const offset = read.get(partition) ?? beginning;
    from[partition] = Math.max(offset, beginning);
    deleted += Math.max(0, beginning - offset);
    missed += end - Math.max(offset, beginning);
  }
  if (missed > maxMissedRecords) {
    const age = `more than ${maxMissedRecords} records old`;
    return {
      from: null,
      comment: `Last-Event-ID is ${age}: live events from now on`,
      gap: 'too-far-behind',
    };
  }
  if (deleted === 0) return { from, comment: 'events after Last-Event-ID', gap: null };
  return {
    from,
    comment: 'Last-Event-ID is older than the topic: events from the oldest one that is kept',
    gap: 'deleted',
  };
}

function parsePlaces(id: string): ReadonlyMap<number, number> | null {
  if (id.length > MAX_ID_LENGTH || !ID.test(id)) return null;
  return new Map(id.split(',').map((place) => place.split('/').map(Number) as [number, number]));
}

/** Tells whether any partition of `places` is further than in `others`. */
export function isBeyond(places: Places, others: Places): boolean {
  return places.some((offset, partition) => offset > (others[partition] ?? 0));
}
