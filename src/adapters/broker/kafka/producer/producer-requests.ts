import '../patches.ts';
import { createRequire } from 'node:module';
import type { KafkaConfig } from 'kafkajs';

/*
 * What kafkajs has inside and does not offer: its cluster and brokers, request by request. Its version is pinned.
 */

/** The position of a group in partitions, as the protocol has it. */
export interface OffsetTopic {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
}

interface Identity {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

/** One node, connected. Each request resolves to its answer, or rejects with the error in it. */
export interface BrokerNode {
  /** The versions of each request that the node takes, by the request's key. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
  initProducerId(request: {
    /** Null: a producer without transactions. */
    readonly transactionalId: string | null;
    readonly transactionTimeout: number;
  }): Promise<Omit<Identity, 'transactionalId'>>;
  addPartitionsToTxn(
    request: Identity & {
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly number[];
      }[];
    },
  ): Promise<unknown>;
  addOffsetsToTxn(request: Identity & { readonly groupId: string }): Promise<unknown>;
  txnOffsetCommit(
    request: Identity & { readonly groupId: string; readonly topics: readonly OffsetTopic[] },
  ): Promise<unknown>;
  endTxn(request: Identity & { readonly transactionResult: boolean }): Promise<unknown>;
  readonly connectionPool: {
    send(exchange: { readonly request: object; readonly response: object }): Promise<unknown>;
  };
}

/** A node as the cluster object keeps it, with its connections. */
interface PooledNode {
  readonly connectionPool: {
    readonly pool: readonly {
      readonly host: string;
      readonly port: number;
      readonly socket?: { readonly connecting: boolean; destroy(reason: Error): void };
      readonly requestQueue: {
        readonly inflight: ReadonlyMap<number, { readonly sentAt: number }>;
      };
    }[];
  };
}

export interface Cluster {
  readonly brokerPool: {
    readonly seedBroker?: PooledNode;
    readonly brokers: Readonly<Record<string, PooledNode>>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** @returns the partitions by their leader's node id */
  findLeaderForPartitions(
    topic: string,
    partitions: readonly number[],
  ): Readonly<Record<string, readonly number[]>>;
  findBroker(node: { readonly nodeId: string }): Promise<BrokerNode>;
  findControllerBroker(): Promise<BrokerNode>;
  findGroupCoordinator(search: {
    readonly groupId: string;
    readonly coordinatorType: number;
  }): Promise<BrokerNode>;
}

interface Encoder {
  writeString(value: string | null): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeBuffer(value: Buffer): Encoder;
}

const require = createRequire(import.meta.url);
const ClusterClass: new (options: object) => Cluster = require('kafkajs/src/cluster');
const { createLogger } = require('kafkajs/src/loggers');
const socketFactory: () => object = require('kafkajs/src/network/socketFactory');
const EncoderClass: new (bytes?: number) => Encoder = require('kafkajs/src/protocol/encoder');
const { failure, createErrorFromCode } = require('kafkajs/src/protocol/error');
const produceResponse: object = require('kafkajs/src/protocol/requests/produce/v3/response');

export const GROUP_COORDINATOR = 0;
export const TRANSACTION_COORDINATOR = 1;

const METADATA_MAX_AGE_MS = 300_000;
const PRODUCE = 0;
/** The version of Produce that came with Kafka 3.8. */
const PRODUCE_OF_3_8 = 11;

export function createCluster(config: KafkaConfig): Cluster {
  return new ClusterClass({
    ...config,
    logger: createLogger({ level: config.logLevel, logCreator: config.logCreator }),
    socketFactory: socketFactory(),
    enforceRequestTimeout: true,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    metadataMaxAge: METADATA_MAX_AGE_MS,
  });
}

export function isBeforeKafka38({ versions }: BrokerNode): boolean {
  return (versions[PRODUCE]?.maxVersion ?? 0) < PRODUCE_OF_3_8;
}

/** An encoded record batch and where it goes. */
export interface PlacedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

/** Appends each batch to its partition, all of whose leader is the node, and waits for all replicas. */
export async function produce(
  node: BrokerNode,
  transactionalId: string,
  batches: readonly PlacedBatch[],
  timeoutMs: number,
): Promise<void> {
  await node.connectionPool.send({
    request: produceRequest(transactionalId, batches, timeoutMs),
    response: produceResponse,
  });
}

/** What a leader answers about one batch. */
export interface AppendedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

/** Like `produce`, outside any transaction. Resolves to what the leader answers about each batch, errors too. */
export async function appendTo(
  node: BrokerNode,
  batches: readonly PlacedBatch[],
  timeoutMs: number,
): Promise<readonly AppendedBatch[]> {
  const parse = async ({ topics }: ProduceAnswer) =>
    topics.flatMap(({ topicName: topic, partitions }) =>
      partitions.map(({ partition, errorCode, baseOffset }) => ({
        topic,
        partition,
        errorCode,
        baseOffset: Number(baseOffset),
      })),
    );
  const request = produceRequest(null, batches, timeoutMs);
  return (await node.connectionPool.send({
    request,
    response: { ...produceResponse, parse },
  })) as readonly AppendedBatch[];
}

/** The error that kafkajs makes of the code; null: none. */
export function errorOf(errorCode: number): Error | null {
  return failure(errorCode) ? createErrorFromCode(errorCode) : null;
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

function produceRequest(
  transactionalId: string | null,
  batches: readonly PlacedBatch[],
  timeoutMs: number,
): object {
  const encode = async () => {
    const idBytes = 2 * (transactionalId?.length ?? 0) + 16;
    const bytes = batches.reduce(
      (sum, batch) => sum + batch.bytes.length + 2 * batch.topic.length + 16,
      idBytes,
    );
    const encoder = new EncoderClass(bytes)
      .writeString(transactionalId)
      .writeInt16(-1)
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
