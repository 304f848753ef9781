import { isSearched, type Track } from './tracks.ts';

/*
 * A cursor says, as a text for a URL, how far back each partition of each topic is searched. The
 * cursor `a.b.c~d` is about two topics with three partitions and one. Numbers have base 36. An
 * empty number means that nothing is searched yet.
 */
const BASE = 36;

/** Matches the cursor of a search in the commands, the events and the dead letters. */
export const WAY_CURSOR = /^[0-9a-z.]*~[0-9a-z.]*~[0-9a-z.]*$/;

/** Matches the cursor of a history: a sequence, and how far back the events are searched. */
export const HISTORY_CURSOR = /^(\d{1,16})!([0-9a-z.]*)$/;

/** Makes the cursor of a search. */
export function cursorOf(topics: readonly (readonly Track[])[]): string {
  return topics.map((tracks) => tracks.map(numberOf).join('.').replace(/\.+$/, '')).join('~');
}

/** Moves the tracks back to the cursor. Partitions that were added since are not searched yet. */
export function goOn(topics: readonly (readonly Track[])[], cursor: string): void {
  for (const [topic, text] of cursor.split('~').entries())
    for (const [partition, number] of text.split('.').entries()) {
      const track = topics[topic]?.[partition];
      if (!track || number === '') continue;
      const next = Number.parseInt(number, BASE);
      track.next = Math.max(track.beginning, Math.min(track.next, next));
    }
}

/** Makes the cursor of a history. @param before the sequence of the last event that was returned */
export function historyCursorOf(tracks: readonly Track[], before: number): string {
  return `${Math.min(before, Number.MAX_SAFE_INTEGER)}!${cursorOf([tracks])}`;
}

/** Moves the tracks back to the cursor. @returns the sequence of the last event returned */
export function goOnWithHistory(tracks: readonly Track[], cursor: string): number {
  const [, before, rest = ''] = HISTORY_CURSOR.exec(cursor) ?? [];
  goOn([tracks], rest);
  return before === undefined ? Number.POSITIVE_INFINITY : Number(before);
}

function numberOf(track: Track): string {
  if (isSearched(track)) return '0';
  return track.next < track.end ? track.next.toString(BASE) : '';
}
