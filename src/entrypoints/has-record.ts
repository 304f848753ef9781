import type { Broker, Delivery, OffsetRange } from '../service-layer/broker.ts';

/**
 * Finds out whether a reader finds a record in the range. Markers and aborted records of
 * transactions have offsets that no reader sees, so a range may hold nothing.
 * @throws the signal aborts, or the log fails, before that is known
 */
export async function hasRecord(
  broker: Broker,
  topic: string,
  range: OffsetRange,
  signal: AbortSignal,
): Promise<boolean> {
  const found = new AbortController();
  const take = async ({ records }: Delivery) => {
    if (records.length > 0) found.abort();
  };
  try {
    await broker.read(topic, [range], take, AbortSignal.any([signal, found.signal]));
  } catch (error) {
    if (!found.signal.aborted) throw error;
  }
  return found.signal.aborted;
}
