/**
 * Markers take dead letters off the list.
 *
 * Kafka cannot delete single records. A marker is therefore one more record in the same topic. It
 * has the letter's key, no value, and the headers below. See docs/decisions/0005.
 */
import { validTimeMs } from '../messages/valid-time.ts';
import type { Headers, LogRecord, ReceivedRecord } from '../service-layer/records.ts';
import { headerText } from './header-text.ts';

const RESOLVES = 'dead-letter-resolves';
const RESOLUTION = 'dead-letter-resolution';
const RESOLVED_AT = 'dead-letter-resolved-at';
const RESOLVED_BY = 'dead-letter-resolved-by';
/** The id of the command that was sent instead of the letter's command. */
const REPLACED_BY = 'dead-letter-replaced-by';

/** The longest `/partition/offset`. */
const MAX_PLACE_LENGTH = 1 + 10 + 1 + 16;

export type Resolution = 'redriven' | 'discarded';

/** What happened to a letter. */
export interface Fate {
  /** Null: the letter is still on the list. */
  readonly resolution: Resolution | null;
  /** ISO 8601. */
  readonly resolvedAt: string | null;
  /** Who did it: `user@host`, or the caller over HTTP. */
  readonly resolvedBy: string | null;
  /** The id of the command that was sent instead. Absent: no command was. */
  readonly replacedBy?: string;
}

const UNRESOLVED: Fate = { resolution: null, resolvedAt: null, resolvedBy: null };

/**
 * Knows what happened to each letter of one topic. The first marker of a letter counts: a second
 * operator changed nothing.
 */
export class Fates {
  readonly #byLetter = new Map<string, Fate>();

  /** Takes a marker into account. Markers of one letter must come in the order of the topic. */
  add(marker: ReceivedRecord): void {
    const id = letterOfMarker(marker);
    if (id !== null && !this.#byLetter.has(id)) this.#byLetter.set(id, fateOf(marker));
  }

  /** @param id the letter's place, `topic/partition/offset` */
  of(id: string): Fate {
    return this.#byLetter.get(id) ?? UNRESOLVED;
  }
}

/**
 * Tells markers from dead letters. A dead letter keeps the headers of its message, and a sender may
 * have written a marker's headers. Only a dead letter has a reason, so a marker must have none.
 */
export function isMarker({ headers }: { readonly headers: Headers }): boolean {
  return Object.hasOwn(headers, RESOLVES) && !Object.hasOwn(headers, 'dead-letter-reason');
}

/**
 * Returns the id of the letter that a marker takes off the list. Null: the id is longer than any
 * place in the marker's topic. Readers keep ids in memory, and a forged marker may have a huge one.
 */
export function letterOfMarker({
  headers,
  topic,
}: Pick<ReceivedRecord, 'headers' | 'topic'>): string | null {
  const id = headerText(headers, RESOLVES);
  return id.length <= topic.length + MAX_PLACE_LENGTH ? id : null;
}

/**
 * Makes the marker of a letter, which is also the audit entry.
 *
 * @param by who decided: `user@host`, or the caller over HTTP
 * @param replacedBy the id of the command that was sent instead; null: no command was
 */
export function markerRecord(
  { id, key }: { readonly id: string; readonly key: Buffer | null },
  resolution: Resolution,
  by: string,
  at: Date,
  replacedBy: string | null = null,
): LogRecord {
  const audit = {
    [RESOLVED_AT]: at.toISOString(),
    [RESOLVED_BY]: by,
    ...(replacedBy !== null && { [REPLACED_BY]: replacedBy }),
  };
  return { key, value: null, headers: { [RESOLVES]: id, [RESOLUTION]: resolution, ...audit } };
}

/** Reads what a marker says. */
export function fateOf({ headers, timestampMs }: ReceivedRecord): Fate {
  const replacedBy = headerText(headers, REPLACED_BY);
  return {
    resolution: headerText(headers, RESOLUTION) === 'redriven' ? 'redriven' : 'discarded',
    resolvedAt:
      headerText(headers, RESOLVED_AT) || new Date(validTimeMs(timestampMs)).toISOString(),
    resolvedBy: headerText(headers, RESOLVED_BY) || null,
    ...(replacedBy !== '' && { replacedBy }),
  };
}
