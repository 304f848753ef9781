import type { Decoder } from '../kafkajs-internals.ts';
import { operationsIn } from './authorized-operations.ts';
import { type Exchange, exchange, noTags } from './exchange.ts';
import { NO_ID, readId } from './topic-id.ts';

/** The cluster as one node sees it. */
export interface ClusterPicture {
  readonly clusterId: string;
  /** The nodes that are alive. */
  readonly nodes: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  }[];
  readonly topics: readonly TopicPicture[];
}

export interface TopicPicture {
  readonly errorCode: number;
  readonly name: string;
  /** A topic that is deleted and created again gets another id (KIP-516). */
  readonly topicId: string;
  /** What this client may do, one bit for each operation. Null: not asked, or not told. */
  readonly operations: number | null;
  readonly partitions: readonly {
    readonly partition: number;
    /** The leader's node id; -1 if the partition has no leader now. */
    readonly leader: number;
    /** Rises with each election. */
    readonly leaderEpoch: number;
    /** How many nodes keep the partition. Nodes that lag or are away count. */
    readonly replicas: number;
  }[];
}

/**
 * Makes the request that asks a node for the live nodes, the topics' ids and the partitions'
 * leaders.
 *
 * Source: Apache Kafka, protocol guide, Metadata v10 (Kafka 2.8). Each structure, and the header,
 * ends with its tagged fields. This request has none.
 * @param options `withOperations` also asks what this client may do with the topics (KIP-430)
 */
export function metadata(
  topics: readonly string[],
  { withOperations = false } = {},
): Exchange<ClusterPicture> {
  return exchange<ClusterPicture>(
    { apiKey: 3, apiVersion: 10, apiName: 'Metadata', topics },
    (encoder) => {
      noTags(encoder).writeUVarInt(topics.length + 1);
      for (const topic of topics) noTags(encoder.writeBuffer(NO_ID).writeUVarIntString(topic));
      // Create no missing topic, and leave out what this client may do with the cluster.
      return noTags(encoder.writeBoolean(false).writeBoolean(false).writeBoolean(withOperations));
    },
    (decoder) => {
      decoder.readTaggedFields();
      decoder.readInt32(); // throttle time
      const nodes = decoder.readUVarIntArray(readNode) ?? [];
      const clusterId = String(decoder.readUVarIntString());
      decoder.readInt32(); // controller
      return { clusterId, nodes, topics: decoder.readUVarIntArray(readTopic) ?? [] };
    },
  );
}

function readNode(decoder: Decoder) {
  const node = {
    nodeId: decoder.readInt32(),
    host: String(decoder.readUVarIntString()),
    port: decoder.readInt32(),
  };
  decoder.readUVarIntString(); // rack
  decoder.readTaggedFields();
  return node;
}

function readTopic(decoder: Decoder): TopicPicture {
  const errorCode = decoder.readInt16();
  const name = String(decoder.readUVarIntString());
  const topicId = readId(decoder);
  decoder.readBoolean(); // is internal
  const partitions = decoder.readUVarIntArray(readPartition) ?? [];
  const operations = operationsIn(decoder);
  decoder.readTaggedFields();
  return { errorCode, name, topicId, operations, partitions };
}

function readPartition(decoder: Decoder) {
  decoder.readInt16(); // error code: a partition without a leader has the leader -1
  const partition = {
    partition: decoder.readInt32(),
    leader: decoder.readInt32(),
    leaderEpoch: decoder.readInt32(),
    replicas: decoder.readUVarIntArray((node) => node.readInt32())?.length ?? 0,
  };
  // in-sync replicas and offline replicas
  for (let lists = 2; lists > 0; lists -= 1) decoder.readUVarIntArray((node) => node.readInt32());
  decoder.readTaggedFields();
  return partition;
}
