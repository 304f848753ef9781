import type { ReceivedRecord } from '../service-layer/records.ts';

/** Where a range of records begins or ends: a moment, or the same offset in each partition. */
export type Bound = { readonly offset: number } | { readonly timeMs: number };

/** A range of records. A bound that is null leaves that side open. */
export interface Bounds {
  readonly from: Bound | null;
  /** Exclusive. */
  readonly to: Bound | null;
}

type TimedRecord = Pick<ReceivedRecord, 'offset' | 'timestampMs'>;

/** Tells whether the record lies before the bound. */
export function isBefore({ offset, timestampMs }: TimedRecord, bound: Bound): boolean {
  return 'offset' in bound ? offset < bound.offset : timestampMs < bound.timeMs;
}

/** Tells whether the record lies in the range. */
export function isWithin(record: TimedRecord, { from, to }: Bounds): boolean {
  return !(from && isBefore(record, from)) && (to === null || isBefore(record, to));
}

/**
 * Tells whether no record can lie in the range. A range between an offset and a time may have
 * records, because the two cannot be compared.
 */
export function isEmptyRange({ from, to }: Bounds): boolean {
  if (from === null || to === null) return false;
  if ('offset' in from) return 'offset' in to && from.offset >= to.offset;
  return 'timeMs' in to && from.timeMs >= to.timeMs;
}
