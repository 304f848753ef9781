import {
  type BrokerNode,
  createEncoder,
  type Encoder,
  produceResponse,
} from '../kafkajs-internals.ts';

export const GROUP_COORDINATOR = 0;
export const TRANSACTION_COORDINATOR = 1;

const PRODUCE = 0;
/** The version of Produce that came with Kafka 3.8. */
const PRODUCE_OF_3_8 = 11;
const ALL_REPLICAS = -1;

/** Tells whether the node is older than Kafka 3.8. */
export function isBeforeKafka38({ versions }: BrokerNode): boolean {
  return (versions[PRODUCE]?.maxVersion ?? 0) < PRODUCE_OF_3_8;
}

/** An encoded record batch, with its topic and partition. */
interface EncodedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

/** A leader's answer about one batch. */
export interface BatchAnswer {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

/**
 * Appends each batch to its partition, and waits for all replicas.
 * @param node the leader of all these partitions
 * @param transactionalId the id whose transaction the batches are part of, or null
 * @returns the leader's answer about each batch, with its error code
 */
export async function produce(
  node: BrokerNode,
  transactionalId: string | null,
  batches: readonly EncodedBatch[],
  timeoutMs: number,
): Promise<readonly BatchAnswer[]> {
  const parse = async ({ topics }: ProduceAnswer): Promise<readonly BatchAnswer[]> =>
    topics.flatMap(({ topicName: topic, partitions }) =>
      partitions.map(({ partition, errorCode, baseOffset }) => ({
        topic,
        partition,
        errorCode,
        baseOffset: Number(baseOffset),
      })),
    );
  const request = produceRequest(transactionalId, batches, timeoutMs);
  return await node.connectionPool.send({ request, response: { ...produceResponse, parse } });
}

interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly errorCode: number;
      readonly baseOffset: string;
    }[];
  }[];
}

/** Source: Apache Kafka, protocol guide, Produce v3. */
function produceRequest(
  transactionalId: string | null,
  batches: readonly EncodedBatch[],
  timeoutMs: number,
): object {
  const encode = async (): Promise<Encoder> => {
    const idBytes = 2 * (transactionalId?.length ?? 0) + 16;
    const bytes = batches.reduce(
      (sum, batch) => sum + batch.bytes.length + 2 * batch.topic.length + 16,
      idBytes,
    );
    const encoder = createEncoder(bytes)
      .writeString(transactionalId)
      .writeInt16(ALL_REPLICAS)
      .writeInt32(timeoutMs)
      .writeInt32(batches.length);
    for (const { topic, partition, bytes } of batches) {
      encoder
        .writeString(topic)
        .writeInt32(1)
        .writeInt32(partition)
        .writeInt32(bytes.length)
        .writeBuffer(bytes);
    }
    return encoder;
  };
  return { apiKey: PRODUCE, apiVersion: 3, apiName: 'Produce', expectResponse: () => true, encode };
}
