import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

const ENOUGH = new Error('Enough records were read');

/**
 * Reads the range until `take` says that it has enough.
 *
 * @param take returns whether to stop behind this record
 * @throws {TroubleError} the log cannot be reached
 */
export async function readUntil(
  broker: Pick<Broker, 'read'>,
  topic: string,
  range: OffsetRange,
  take: (record: ReceivedRecord) => boolean,
): Promise<void> {
  if (range.beginning >= range.end) return;
  try {
    await broker.read(topic, [range], async ({ records }) => {
      for (const record of records) if (take(record)) throw ENOUGH;
    });
  } catch (error) {
    if (error !== ENOUGH) throw error;
  }
}
