import { createRequire } from 'node:module';
import type { ISocketFactory, KafkaConfig, Mechanism } from 'kafkajs';

/*
 * This is the only file that requires files from inside kafkajs. package.json pins kafkajs to
 * 2.2.4, because any other release may change those files.
 */

const require = createRequire(import.meta.url);
const ClusterClass: new (options: object) => Cluster = require('kafkajs/src/cluster');
const ConnectionClass: (new (
  options: object,
) => UnopenedConnection) & {
  readonly prototype: UnopenedConnection & { isMended?: true };
} = require('kafkajs/src/network/connection');
const EncoderClass: new (bytes?: number) => Encoder = require('kafkajs/src/protocol/encoder');
const DecoderClass: new (bytes: Buffer) => Decoder = require('kafkajs/src/protocol/decoder');
const { createLogger } = require('kafkajs/src/loggers');
const requestQueue: RequestQueue & { isMended?: true } =
  require('kafkajs/src/network/requestQueue').prototype;
const protocolErrors: {
  failure(errorCode: number): boolean;
  createErrorFromCode(errorCode: number): Error;
} = require('kafkajs/src/protocol/error');

/** Opens kafkajs's sockets without encryption. */
export const plainSockets: ISocketFactory = require('kafkajs/src/network/socketFactory')();

/** Reads the answer to Produce v3. `parse` rejects with the first error in the answer. */
export const produceResponse: AnswerReader<unknown> =
  require('kafkajs/src/protocol/requests/produce/v3/response');

/**
 * Writes the basic types of Kafka's protocol. Each method appends a value and returns the encoder.
 */
export interface Encoder {
  readonly buffer: Buffer;
  writeInt8(value: number): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeBoolean(value: boolean): Encoder;
  writeString(value: string | null): Encoder;
  writeBytes(value: Buffer): Encoder;
  writeBuffer(value: Buffer): Encoder;
  writeUVarInt(value: number): Encoder;
  writeUVarIntString(value: string): Encoder;
}

/** Reads the basic types of Kafka's protocol. Each method moves `offset` past its value. */
export interface Decoder {
  readonly buffer: Buffer;
  offset: number;
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readBoolean(): boolean;
  readString(): string | null;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  readUVarIntString(): string | null;
  readUVarIntBytes(): Buffer | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null;
  readTaggedFields(): unknown;
}

interface AnswerReader<T> {
  readonly parse: (answer: never) => Promise<T>;
}

/** A request, and the reader of its answer. */
interface RequestWithAnswer<T> {
  readonly request: object;
  readonly response: AnswerReader<T>;
}

/** A connection to one node. */
export interface KafkajsConnection {
  readonly socket?: { destroy(error?: Error): void };
  connect(): Promise<void>;
  /** Authenticates the client, if the configuration says how. Each `send` does so when due. */
  authenticate(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  /** Rejects every request that waits for its answer. */
  rejectRequests(error: Error): void;
  send<T>(exchange: RequestWithAnswer<T>): Promise<T>;
}

interface UnopenedConnection extends KafkajsConnection {
  setVersions(versions: object): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  isAuthenticated(): boolean;
  /** How long a session lasts, in milliseconds; 0: without end. */
  readonly sessionLifetime: { toString(): string };
  /** How long before its end a session counts as over. */
  reauthenticationThreshold: number;
}

/** How the broker identifies the holder of a transactional id. */
export interface ProducerIdentity {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

/** Whose coordinator is looked for. */
export interface CoordinatorSearch {
  /** A group, or a transactional id. */
  readonly groupId: string;
  readonly coordinatorType: number;
}

/** A topic's offsets in a TxnOffsetCommit request. */
interface OffsetTopic {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
}

/**
 * A connected node. Each method resolves to the node's answer, or rejects with the error in it.
 */
export interface BrokerNode {
  /** The versions of each request that the node accepts, by the request's key. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>>;
  findGroupCoordinator(search: CoordinatorSearch): Promise<unknown>;
  initProducerId(request: {
    /** Null for a producer without transactions. */
    readonly transactionalId: string | null;
    readonly transactionTimeout: number;
  }): Promise<Omit<ProducerIdentity, 'transactionalId'>>;
  addPartitionsToTxn(
    request: ProducerIdentity & {
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly number[];
      }[];
    },
  ): Promise<unknown>;
  addOffsetsToTxn(request: ProducerIdentity & { readonly groupId: string }): Promise<unknown>;
  txnOffsetCommit(
    request: ProducerIdentity & {
      readonly groupId: string;
      readonly topics: readonly OffsetTopic[];
    },
  ): Promise<unknown>;
  endTxn(request: ProducerIdentity & { readonly transactionResult: boolean }): Promise<unknown>;
  readonly connectionPool: {
    readonly host: string;
    readonly port: number;
    send<T>(exchange: RequestWithAnswer<T>): Promise<T>;
  };
}

/** One of the connections that a cluster object keeps to its nodes. */
export interface PooledConnection {
  readonly host: string;
  readonly port: number;
  readonly socket?: { readonly connecting: boolean; destroy(reason: Error): void };
  readonly requestQueue: {
    /** The requests that wait for their answers. */
    readonly inflight: ReadonlyMap<number, { readonly sentAt: number }>;
  };
}

interface PooledNode {
  readonly connectionPool: { readonly pool: readonly PooledConnection[] };
}

/** The nodes of a cluster, with their connections, and what kafkajs knows about the topics. */
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
  /** @returns the partitions, grouped by the node id of their leader */
  findLeaderForPartitions(
    topic: string,
    partitions: readonly number[],
  ): Readonly<Record<string, readonly number[]>>;
  findBroker(node: { readonly nodeId: string }): Promise<BrokerNode>;
  findControllerBroker(): Promise<BrokerNode>;
  findGroupCoordinator(search: CoordinatorSearch): Promise<BrokerNode>;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/** The mechanisms of SASL for a user with a password. */
export type PasswordMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** kafkajs's authenticators for a user with a password, by mechanism. */
export const passwordAuthenticators: Readonly<
  Record<
    PasswordMechanism,
    (credentials: {
      readonly username: string;
      readonly password: string;
    }) => Mechanism['authenticationProvider']
  >
> = {
  PLAIN: require('kafkajs/src/broker/saslAuthenticator/plain'),
  'SCRAM-SHA-256': require('kafkajs/src/broker/saslAuthenticator/scram256'),
  'SCRAM-SHA-512': require('kafkajs/src/broker/saslAuthenticator/scram512'),
};

const METADATA_MAX_AGE_MS = 300_000;
/**
 * The versions of SaslHandshake and SaslAuthenticate, by the keys of the requests. With version 1
 * the answer says when the session ends (KIP-368, Kafka 2.2).
 */
const SASL_VERSIONS = { 17: { maxVersion: 1 }, 36: { maxVersion: 1 } };
/** The share of a session after which the next request authenticates again, as in Java's client. */
const SESSION_SHARE = 0.85;

/** Creates an encoder. @param bytes the size of its first buffer, which grows when it is full */
export function createEncoder(bytes?: number): Encoder {
  return new EncoderClass(bytes);
}

/** Creates a decoder that begins with the first byte. */
export function createDecoder(bytes: Buffer): Decoder {
  return new DecoderClass(bytes);
}

/**
 * Creates a connection that is not open yet.
 * @param timeoutMs how long connecting may take; the caller limits each request itself
 */
export function createConnection(
  { host, port }: { readonly host: string; readonly port: number },
  config: KafkaConfig,
  timeoutMs: number,
): KafkajsConnection {
  const connection = new ConnectionClass({
    host,
    port,
    clientId: config.clientId,
    logger: loggerOf(config),
    socketFactory: config.socketFactory ?? plainSockets,
    sasl: config.sasl,
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    // kafkajs would check the requests with a timer that never stops.
    enforceRequestTimeout: false,
  });
  connection.setVersions(SASL_VERSIONS);
  connection.setSupportAuthenticationProtocol(true);
  return connection;
}

/** Creates a cluster object that is not connected yet. */
export function createCluster(config: KafkaConfig): Cluster {
  return new ClusterClass({
    ...config,
    logger: loggerOf(config),
    socketFactory: config.socketFactory ?? plainSockets,
    enforceRequestTimeout: true,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    metadataMaxAge: METADATA_MAX_AGE_MS,
  });
}

/** Makes kafkajs's error from an error code of the protocol. @returns null for the code 0 */
export function errorOf(errorCode: number): Error | null {
  return protocolErrors.failure(errorCode) ? protocolErrors.createErrorFromCode(errorCode) : null;
}

function loggerOf({ logLevel, logCreator }: KafkaConfig): object {
  return createLogger({ level: logLevel, logCreator });
}

/**
 * Mends the request queue of kafkajs 2.2.4, once per process, when this file is imported.
 *
 * The queue re-arms a timer for ever, even when no request waits (kafkajs issue 1751). Each
 * connection then wakes the process 1,000 times a second. The timer also causes a
 * TimeoutNegativeWarning under Node 24. Nothing outside kafkajs can stop the timer.
 */
function mendRequestQueue(): void {
  if (requestQueue.isMended) return;
  requestQueue.isMended = true;
  const { scheduleCheckPendingRequests } = requestQueue;
  requestQueue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
}

/**
 * Lets kafkajs 2.2.4 authenticate again late in a session. This runs once per process, when this
 * file is imported.
 *
 * kafkajs counts a session as over 10 s before its end. With sessions of 10 s or less, each request
 * would authenticate again, and Kafka allows that once a second.
 */
function mendReauthentication(): void {
  const { prototype } = ConnectionClass;
  if (prototype.isMended) return;
  prototype.isMended = true;
  const { isAuthenticated } = prototype;
  prototype.isAuthenticated = function (this: UnopenedConnection) {
    const lifetimeMs = Number(this.sessionLifetime.toString());
    this.reauthenticationThreshold = Math.ceil(lifetimeMs * (1 - SESSION_SHARE));
    return isAuthenticated.call(this);
  };
}

mendRequestQueue();
mendReauthentication();
