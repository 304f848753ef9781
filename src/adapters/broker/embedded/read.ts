import type { OffsetRange, ReadChunk } from '../../../service-layer/broker.ts';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { EmbeddedLog } from './log.ts';

/**
 * Reads the ranges, one partition after the other.
 * @throws {TroubleError} the log ends before a range does
 */
export async function* chunksOf(
  log: EmbeddedLog,
  topic: string,
  ranges: readonly OffsetRange[],
  signal: AbortSignal,
): AsyncGenerator<ReadChunk, void> {
  for (const { partition, beginning, end } of ranges) {
    for (let offset = beginning; offset < end && !signal.aborted; ) {
      const chunk = await log.read(topic, partition, offset);
      const records = chunk.filter((record) => record.offset < end);
      if (records.length === 0)
        throw new TroubleError(
          `${topic}/${partition} has no record at offset ${offset}, ` +
            `so it cannot be read up to offset ${end}`,
        );
      offset += records.length; // Offsets have no gaps.
      yield { partition, records, nextOffset: offset };
    }
  }
}
