import type { OffsetRange } from '../service-layer/broker.ts';
import type { PartitionOffset } from '../service-layer/records.ts';

/** Counts the offsets to read. A transactional log has fewer records than offsets. */
export function countOffsets(ranges: readonly OffsetRange[]): number {
  return ranges.reduce((sum, { beginning, end }) => sum + Math.max(0, end - beginning), 0);
}

/** Keeps the part of each range below the partition's offset. Without an offset, keeps nothing. */
export function rangesBelow(
  ranges: readonly OffsetRange[],
  offsets: ReadonlyMap<number, number>,
): readonly OffsetRange[] {
  return ranges.map(({ partition, beginning, end }) => ({
    partition,
    beginning,
    end: Math.max(beginning, Math.min(end, offsets.get(partition) ?? 0)),
  }));
}

/** Keeps the part of each range from the partition's offset on. Without an offset, keeps all. */
export function rangesFrom(
  ranges: readonly OffsetRange[],
  offsets: ReadonlyMap<number, number>,
): readonly OffsetRange[] {
  return ranges.map(({ partition, beginning, end }) => ({
    partition,
    beginning: Math.min(end, Math.max(beginning, offsets.get(partition) ?? 0)),
    end,
  }));
}

/** Maps each partition to its next offset. */
export function nextOffsets(
  positions: readonly Pick<PartitionOffset, 'partition' | 'nextOffset'>[],
): ReadonlyMap<number, number> {
  return new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
}
