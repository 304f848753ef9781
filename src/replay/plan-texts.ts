import type { OffsetRange } from '../service-layer/broker.ts';
import { countOffsets } from './offset-ranges.ts';

/** Offsets per second that a rebuild reads on an ordinary machine, for the estimate in its plan. */
export const USUAL_REBUILD_RATE = 40_000;

/** Describes how much of a topic is read. */
export function describeTopic(name: string, ranges: readonly OffsetRange[]): string {
  return `${name}, ${countOffsets(ranges)} offsets in ${ranges.length} partitions`;
}

/** Describes the range of each partition. */
export function describeRanges(ranges: readonly OffsetRange[]): string {
  return ranges
    .map(({ partition, beginning, end }) => `${partition}: ${beginning} to ${end}`)
    .join(', ');
}

/**
 * Estimates how long the work takes.
 * @param usualRate per second, on an ordinary machine
 * @param maxRate per second, the user's limit
 */
export function describeTime(count: number, usualRate: number, maxRate = usualRate): string {
  return `about ${Math.ceil(count / Math.min(usualRate, maxRate))} s`;
}
