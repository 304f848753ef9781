import { type Decoder, type Encoder, type Exchange, exchange } from './exchange.ts';

/** What one node knows of the cluster. */
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
  /** A topic that is deleted and created again gets another one (KIP-516). */
  readonly topicId: string;
  readonly partitions: readonly {
    readonly partition: number;
    /** -1: none just now. */
    readonly leader: number;
    /** Rises with each new leader. */
    readonly leaderEpoch: number;
  }[];
}

const ID_BYTES = 16;

/**
 * Asks a node for the live nodes, the topics' ids and the leaders of their partitions.
 *
 * Source: Apache Kafka, protocol guide, Metadata v10 (Kafka 2.8). Its fields with tags, of which
 * there are none, come at the end of each structure and of the header.
 */
export function metadata(topics: readonly string[]): Exchange<ClusterPicture> {
  return exchange<ClusterPicture>(
    { apiKey: 3, apiVersion: 10, apiName: 'Metadata' },
    (encoder) => {
      noTags(encoder).writeUVarInt(topics.length + 1);
      for (const topic of topics)
        noTags(encoder.writeBuffer(Buffer.alloc(ID_BYTES)).writeUVarIntString(topic));
      // Create no topic, and tell nothing of what this client may do.
      return noTags(encoder.writeBoolean(false).writeBoolean(false).writeBoolean(false));
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

function noTags(encoder: Encoder): Encoder {
  return encoder.writeUVarInt(0);
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
  const topicId = decoder.buffer.toString('hex', decoder.offset, decoder.offset + ID_BYTES);
  decoder.offset += ID_BYTES;
  decoder.readBoolean(); // whether it is internal
  const partitions = decoder.readUVarIntArray(readPartition) ?? [];
  decoder.readInt32(); // operations that this client may do
  decoder.readTaggedFields();
  return { errorCode, name, topicId, partitions };
}

function readPartition(decoder: Decoder) {
  decoder.readInt16(); // error: a partition without a leader has leader -1
  const found = {
    partition: decoder.readInt32(),
    leader: decoder.readInt32(),
    leaderEpoch: decoder.readInt32(),
  };
  for (let lists = 3; lists > 0; lists -= 1) decoder.readUVarIntArray((node) => node.readInt32()); // replicas
  decoder.readTaggedFields();
  return found;
}
