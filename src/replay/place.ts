import type { ReceivedRecord } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';

/** Where in a topic something begins or ends: an offset of each partition, or a moment. */
export type Place = { readonly offset: number } | { readonly timeMs: number };

/**
 * An offset, or a moment in ISO 8601.
 * @throws {ReplayRefusedError} it is neither, or lies in the future
 */
export function readPlace(text: string, nowMs: number): Place {
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) };
  const timeMs = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(timeMs))
    throw new ReplayRefusedError(
      `${text} is neither an offset nor a time such as 2026-11-26T08:00:00Z`,
    );
  if (timeMs > nowMs)
    throw new ReplayRefusedError(
      `${text} lies in the future: it is ${new Date(nowMs).toISOString()}`,
    );
  return { timeMs };
}

/** Whether the record lies before the place. */
export function isBefore(
  { offset, timestampMs }: Pick<ReceivedRecord, 'offset' | 'timestampMs'>,
  place: Place,
): boolean {
  return 'offset' in place ? offset < place.offset : timestampMs < place.timeMs;
}

/** Whether the record lies between the two places; null: at whatever end there is. The second is exclusive. */
export function isWithin(
  record: Pick<ReceivedRecord, 'offset' | 'timestampMs'>,
  { from, to }: { readonly from: Place | null; readonly to: Place | null },
): boolean {
  return !(from && isBefore(record, from)) && (to === null || isBefore(record, to));
}
