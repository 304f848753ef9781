import type { Broker, OffsetRange, ReadChunk } from '../service-layer/broker.ts';

/**
 * Finds out whether a reader sees a record in the range. Transaction markers and aborted records
 * have offsets too, but no reader sees them. So a range may be empty for a reader.
 * @throws the signal aborts, or the log fails, before the answer is known
 */
export async function hasRecord(
  broker: Broker,
  topic: string,
  range: OffsetRange,
  signal: AbortSignal,
): Promise<boolean> {
  const first = new AbortController();
  const take = async ({ records }: ReadChunk) => {
    if (records.length > 0) first.abort();
  };
  try {
    await broker.read(topic, [range], take, AbortSignal.any([signal, first.signal]));
  } catch (error) {
    if (!first.signal.aborted) throw error;
  }
  return first.signal.aborted;
}
