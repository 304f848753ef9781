import type { Delivery, OffsetRange } from '../../../service-layer/broker.ts';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { EmbeddedLog } from './log.ts';

/** What the log has within the ranges, one partition after the other. */
export async function* deliveriesOf(
  log: EmbeddedLog,
  topic: string,
  ranges: readonly OffsetRange[],
  signal: AbortSignal,
): AsyncGenerator<Delivery, void> {
  for (const { partition, beginning, end } of ranges) {
    for (let offset = beginning; offset < end && !signal.aborted; ) {
      const found = await log.read(topic, partition, offset);
      const records = found.filter((record) => record.offset < end);
      if (records.length === 0)
        throw new TroubleError(
          `${topic}/${partition} has nothing at offset ${offset}, and was to be read up to ${end}`,
        );
      offset += records.length; // They count without gaps.
      yield { partition, records, nextOffset: offset };
    }
  }
}
