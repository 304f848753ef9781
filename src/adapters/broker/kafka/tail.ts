import type { Broker, ReceivedRecord, Subscription } from '../../../service-layer/unit-of-work.ts';
import type { KafkaAdmin } from './admin.ts';

/** Reads a topic alone, in a group of its own that is deleted at the end; each partition's place is kept here, across reassignments. */
export async function tailTopic(
  consume: Broker['consume'],
  group: string,
  admin: KafkaAdmin,
  topic: string,
  from: 'beginning' | 'end',
  onRecord: (record: ReceivedRecord) => void,
): Promise<Subscription> {
  const ranges = await admin.offsetRanges(topic);
  const next = new Map(ranges.map((range) => [range.partition, range[from]]));
  const subscription = await consume({
    topic,
    group,
    assigned: (assigned) => {
      let isClosed = false;
      assigned.resumeFrom(next.get(assigned.partition) ?? 0);
      return {
        handle: async (records) => {
          for (const record of records) {
            if (isClosed || record.offset < (next.get(record.partition) ?? 0)) continue;
            next.set(record.partition, record.offset + 1);
            onRecord(record);
          }
        },
        close: async () => {
          isClosed = true;
        },
      };
    },
  });
  return {
    close: async () => {
      await subscription.close();
      // An empty group without offsets is nothing that anybody needs; the broker drops it in time if this fails.
      await admin.deleteGroup(group).catch(() => {});
    },
  };
}
