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
  return (await firstSentMs(broker, topic, range, signal)) !== null;
}

/**
 * Returns the send time of the first record that a reader sees in the range, in ms since 1970.
 * Null: a reader sees none.
 * @throws the signal aborts, or the log fails, before the answer is known
 */
export async function firstSentMs(
  broker: Broker,
  topic: string,
  range: OffsetRange,
  signal: AbortSignal,
): Promise<number | null> {
  const stop = new AbortController();
  let sentMs: number | null = null;
  const take = async ({ records }: ReadChunk) => {
    const [first] = records;
    if (!first) return;
    sentMs ??= first.timestampMs;
    stop.abort();
  };
  try {
    await broker.read(topic, [range], take, AbortSignal.any([signal, stop.signal]));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  return sentMs;
}
