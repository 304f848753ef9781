import { TroubleError } from '../../../service-layer/errors.ts';
import type { KafkaOptions } from './client.ts';
import { addressOf, ClusterView } from './cluster-view.ts';
import { NodeConnection } from './connection.ts';
import { ERROR } from './requests/error-codes.ts';
import { metadata } from './requests/metadata-request.ts';
import { settingsOf } from './requests/settings-request.ts';
import { MissingPermissions } from './security/missing-permissions.ts';
import {
  AccessDeniedError,
  describeAnswer,
  grantAdvice,
  isDenial,
} from './security/permissions.ts';

/** How long one broker may take to answer. */
const ANSWER_TIMEOUT_MS = 3_000;

/** The settings of a topic that decide whether records are taken and kept. */
const TOPIC_SETTINGS = [
  'cleanup.policy',
  'max.message.bytes',
  'min.insync.replicas',
  'retention.bytes',
  'retention.ms',
  'unclean.leader.election.enable',
] as const;
const OFFSETS_RETENTION = 'offsets.retention.minutes';

/** The replicas and settings of a topic. */
export interface TopicState {
  /** How many nodes the cluster has now. */
  readonly nodes: number;
  /** The smallest number of replicas of a partition. */
  readonly replicas: number;
  /** The values of `TOPIC_SETTINGS` by name. Null: this client may not read them. */
  readonly settings: ReadonlyMap<string, string> | null;
}

/**
 * Examines a cluster without changing anything. The start and `allocation doctor` use it.
 *
 * `reach`, `topic` and `offsetsRetentionMinutes` reject with `TroubleError` if Kafka refuses, or
 * does not answer.
 */
export class KafkaExamination {
  readonly permissions: MissingPermissions;
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#view = new ClusterView(options);
    this.permissions = new MissingPermissions(options, this.#view);
  }

  /**
   * Lists the addresses of the brokers, `host:port`. They come from KAFKA_BROKERS and from the
   * brokers themselves. Clients connect to the addresses that the brokers name.
   */
  async brokers(): Promise<readonly string[]> {
    const { nodes } = await this.#view.ask(metadata([])).catch(() => ({ nodes: [] }));
    const named = nodes.map(
      ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
    );
    return [...new Set([...this.#options.brokers, ...named])];
  }

  /** Connects to one broker, and waits for an answer. @param broker `host:port` */
  async reach(broker: string): Promise<void> {
    const connection = await NodeConnection.open(this.#options, addressOf(broker));
    await connection.send(metadata([]), ANSWER_TIMEOUT_MS);
    connection.abandon(new TroubleError('The examination is over'));
  }

  /** Reads the replicas and settings of the topic. Null: the topic does not exist. */
  async topic(name: string): Promise<TopicState | null> {
    const { nodes, topics } = await this.#view.ask(metadata([name]));
    const errorCode = topics[0]?.errorCode ?? ERROR.UNKNOWN_TOPIC_OR_PARTITION;
    if (errorCode === ERROR.UNKNOWN_TOPIC_OR_PARTITION) return null;
    if (errorCode !== ERROR.NONE) throw this.#refusal('Metadata', name, errorCode);
    const replicas = (topics[0]?.partitions ?? []).map((partition) => partition.replicas);
    const settings = await this.#settings(name);
    return { nodes: nodes.length, replicas: Math.min(...replicas), settings };
  }

  async #settings(topic: string): Promise<ReadonlyMap<string, string> | null> {
    const question = settingsOf({ kind: 'topic', name: topic }, TOPIC_SETTINGS);
    const { errorCode, values } = await this.#view.ask(question);
    if (isDenial(errorCode)) return null;
    if (errorCode !== ERROR.NONE) throw this.#refusal('DescribeConfigs', topic, errorCode);
    return values;
  }

  /** Reads how long brokers keep the offsets of a group without members. Null: not readable. */
  async offsetsRetentionMinutes(): Promise<number | null> {
    const { nodes } = await this.#view.ask(metadata([]));
    const [node] = nodes;
    if (!node) return null;
    const broker = { kind: 'broker', name: String(node.nodeId) } as const;
    const { values } = await this.#view.askNode(node, settingsOf(broker, [OFFSETS_RETENTION]));
    const minutes = values.get(OFFSETS_RETENTION);
    return minutes === undefined ? null : Number(minutes);
  }

  close(): void {
    this.#view.close();
  }

  #refusal(apiName: string, topic: string, errorCode: number): TroubleError {
    const subject = { apiName, topics: [topic] };
    const message = describeAnswer(errorCode, subject, this.#options);
    return isDenial(errorCode)
      ? new AccessDeniedError(message, { advice: grantAdvice(errorCode, subject, this.#options) })
      : new TroubleError(`${apiName} of ${topic}: Kafka answers ${message}`);
  }
}
