import type { BrokerNode, Cluster } from './producer-requests.ts';

interface Place {
  readonly topic: string;
  readonly partition: number;
}

interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** The name of a partition within a cluster. */
export function placeOf({ topic, partition }: Place): string {
  return `${partition}/${topic}`;
}

/** The partitions of each topic, each once. */
export function topicsOf(places: readonly Place[]): readonly TopicPartitions[] {
  return [...Map.groupBy(places, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: [...new Set(of.map(({ partition }) => partition))],
  }));
}

/** Connects to the leaders of the partitions. @returns each partition's, by `placeOf` */
export async function leadersOf(
  cluster: Cluster,
  topics: readonly TopicPartitions[],
): Promise<ReadonlyMap<string, BrokerNode>> {
  const leaders = new Map<string, BrokerNode>();
  await cluster.addMultipleTargetTopics(topics.map(({ topic }) => topic));
  for (const { topic, partitions } of topics) {
    let byNode = cluster.findLeaderForPartitions(topic, partitions);
    if (Object.values(byNode).flat().length < partitions.length) {
      // Partitions were added since.
      await cluster.refreshMetadata();
      byNode = cluster.findLeaderForPartitions(topic, partitions);
    }
    for (const [nodeId, led] of Object.entries(byNode)) {
      const node = await cluster.findBroker({ nodeId });
      for (const partition of led) leaders.set(placeOf({ topic, partition }), node);
    }
  }
  return leaders;
}
