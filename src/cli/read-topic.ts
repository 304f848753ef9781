import type { Broker, ReceivedRecord } from '../service-layer/unit-of-work.ts';

const FIRST_RECORD_TIMEOUT_MS = 10_000;
const QUIET_MS = 3_000;
const QUIET_AT_END_MS = 300;

/**
 * Every committed record of the topic up to the ends that it has now.
 *
 * The last offset of a partition may be a transaction's marker, which no reader sees, or belong to an aborted transaction:
 * where the record at the very end does not come, a short silence ends the reading.
 */
export async function readTopic(broker: Broker, topic: string): Promise<readonly ReceivedRecord[]> {
  const ranges = (await broker.offsetRanges(topic)).filter(({ beginning, end }) => end > beginning);
  const ends = new Map(ranges.map(({ partition, end }) => [partition, end]));
  const next = new Map(ranges.map(({ partition, beginning }) => [partition, beginning]));
  const records: ReceivedRecord[] = [];
  if (ranges.length === 0) return records;
  const done = Promise.withResolvers<void>();
  let timer = setTimeout(done.resolve, FIRST_RECORD_TIMEOUT_MS);
  const subscription = await broker.tail(topic, 'beginning', (record) => {
    const { partition, offset } = record;
    if (offset >= (ends.get(partition) ?? 0)) return;
    records.push(record);
    next.set(partition, offset + 1);
    clearTimeout(timer);
    const left = ranges.map(({ partition: each, end }) => end - (next.get(each) ?? 0));
    if (left.every((offsets) => offsets === 0)) return done.resolve();
    timer = setTimeout(done.resolve, left.every((offsets) => offsets <= 1) ? QUIET_AT_END_MS : QUIET_MS);
  });
  try {
    await done.promise;
  } finally {
    clearTimeout(timer);
    await subscription.close();
  }
  return records;
}
