import type { Partition } from '../../../../service-layer/records.ts';
import type { BrokerNode, Cluster } from '../kafkajs-internals.ts';

interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** Returns a key for the partition that is unique within its cluster. */
export function partitionKey({ topic, partition }: Partition): string {
  return `${partition}/${topic}`;
}

/** Groups the partitions by topic, each partition once. */
export function topicsOf(partitions: readonly Partition[]): readonly TopicPartitions[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: [...new Set(of.map(({ partition }) => partition))],
  }));
}

/**
 * Connects to the leaders of the partitions.
 * @returns each partition's leader, by `partitionKey`
 */
export async function leadersOf(
  cluster: Cluster,
  topics: readonly TopicPartitions[],
): Promise<ReadonlyMap<string, BrokerNode>> {
  const leaders = new Map<string, BrokerNode>();
  await cluster.addMultipleTargetTopics(topics.map(({ topic }) => topic));
  for (const { topic, partitions } of topics) {
    let byNode = cluster.findLeaderForPartitions(topic, partitions);
    if (Object.values(byNode).flat().length < partitions.length) {
      // The topic may have more partitions than kafkajs knows.
      await cluster.refreshMetadata();
      byNode = cluster.findLeaderForPartitions(topic, partitions);
    }
    for (const [nodeId, led] of Object.entries(byNode)) {
      const node = await cluster.findBroker({ nodeId });
      for (const partition of led) leaders.set(partitionKey({ topic, partition }), node);
    }
  }
  return leaders;
}
