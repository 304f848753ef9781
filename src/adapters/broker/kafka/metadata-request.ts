import { type Decoder, type Exchange, exchange } from './exchange.ts';

/** What one node knows of the cluster. */
export interface ClusterPicture {
  /** The nodes that are alive. */
  readonly nodes: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly topics: readonly TopicPicture[];
}

export interface TopicPicture {
  readonly errorCode: number;
  readonly name: string;
  readonly partitions: readonly {
    readonly partition: number;
    /** -1: none just now. */
    readonly leader: number;
    /** Rises with each new leader. */
    readonly leaderEpoch: number;
  }[];
}

/**
 * Asks a node for the live nodes and the leaders of the topics' partitions.
 *
 * Source: Apache Kafka, protocol guide, Metadata v8.
 */
export function metadata(topics: readonly string[]): Exchange<ClusterPicture> {
  return exchange<ClusterPicture>(
    { apiKey: 3, apiVersion: 8, apiName: 'Metadata' },
    (encoder) => {
      encoder.writeInt32(topics.length);
      for (const topic of topics) encoder.writeString(topic);
      // Create no topic, and tell nothing of what this client may do.
      return encoder.writeBoolean(false).writeBoolean(false).writeBoolean(false);
    },
    (decoder) => {
      decoder.readInt32(); // throttle time
      const nodes = decoder.readArray((each) => {
        const node = { nodeId: each.readInt32(), host: String(each.readString()), port: each.readInt32() };
        each.readString(); // rack
        return node;
      });
      decoder.readString(); // cluster id
      decoder.readInt32(); // controller
      return { nodes, topics: decoder.readArray(readTopic) };
    },
  );
}

function readTopic(decoder: Decoder): TopicPicture {
  const errorCode = decoder.readInt16();
  const name = String(decoder.readString());
  decoder.readBoolean(); // whether it is internal
  const partitions = decoder.readArray((each) => {
    each.readInt16(); // error: a partition without a leader has leader -1
    const found = { partition: each.readInt32(), leader: each.readInt32(), leaderEpoch: each.readInt32() };
    for (let lists = 3; lists > 0; lists -= 1) each.readArray((node) => node.readInt32()); // replicas
    return found;
  });
  decoder.readInt32(); // operations that this client may do
  return { errorCode, name, partitions };
}
