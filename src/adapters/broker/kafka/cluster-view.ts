import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { KafkaOptions } from './client.ts';
import { type Address, NodeConnection } from './connection.ts';
import { countBrokerError } from './error-counts.ts';
import { ERROR, errorName } from './requests/error-codes.ts';
import type { Exchange } from './requests/exchange.ts';
import { findCoordinator } from './requests/group-requests.ts';
import { type ClusterPicture, metadata, type TopicPicture } from './requests/metadata-request.ts';
import { logIdOf } from './requests/topic-id.ts';
import { AccessDeniedError, describeAnswer, isDenial } from './security/permissions.ts';

/** How long a node may take to answer a question that any other node can answer too. */
const ANY_NODE_TIMEOUT_MS = 1_000;
/** How long a node may take to answer a question that only this node can answer. */
const ONE_NODE_TIMEOUT_MS = 3_000;
/** How long one node may take before the view asks the next node as well. */
const HEDGE_MS = 200;
/** Many partitions notice a moved leader at the same time. They share a picture of this age. */
const FRESH_MS = 100;
/** The leaders of these topics are the coordinators. Asking for the topics shows their moves. */
const INTERNAL_TOPICS = ['__consumer_offsets', '__transaction_state'];

/**
 * Knows the cluster's live nodes, leaders and coordinators. Each client has one view.
 *
 * The view asks any node that answers, and keeps the picture with the newer leaders. A node that is
 * cut off from the others still shows an old picture.
 */
export class ClusterView {
  readonly #options: KafkaOptions;
  readonly #seeds: readonly Address[];
  readonly #topics = new Set<string>(INTERNAL_TOPICS);
  readonly #connections = new Map<string, Promise<NodeConnection>>();
  #picture: ClusterPicture = { clusterId: '', nodes: [], topics: [] };
  #paintedAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | null = null;
  #turn = 0;
  /** Called after nodes or leaders have changed. */
  onChange: () => void = () => {};
  #isClosed = false;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#seeds = options.brokers.map(addressOf);
  }

  /**
   * The live nodes according to the last picture; the configured nodes before the first picture.
   */
  get nodes(): readonly Address[] {
    return this.#picture.nodes.length > 0 ? this.#picture.nodes : this.#seeds;
  }

  /** Tells whether the node is in the cluster, according to the last picture. */
  isAlive({ host, port }: Address): boolean {
    return this.nodes.some((node) => node.host === host && node.port === port);
  }

  /**
   * Finds the node that leads the partition.
   * @throws {TroubleError} the partition has no leader, or no node answers
   */
  async leaderOf(topic: string, partition: number): Promise<Address> {
    const { partitions } = await this.#topic(topic);
    const state = partitions.find((each) => each.partition === partition);
    const leader = this.#picture.nodes.find(({ nodeId }) => nodeId === state?.leader);
    if (leader) return leader;
    await this.refresh();
    throw new TroubleError(`${topic}/${partition} has no leader just now`);
  }

  /**
   * Returns the node id of each partition's leader; -1 for a partition without a leader.
   * @throws {TroubleError} the topic is not there, or no node answers
   */
  async leadersOf(topic: string): Promise<readonly number[]> {
    const { partitions } = await this.#topic(topic);
    return partitions
      .toSorted((one, other) => one.partition - other.partition)
      .map(({ leader }) => leader);
  }

  /**
   * Returns the id that the topic has in the last picture.
   * @throws {TroubleError} the topic is not there, or no node answers
   */
  async topicIdOf(topic: string): Promise<string> {
    return (await this.#topic(topic)).topicId;
  }

  /** Counts the partitions. @throws {TroubleError} the topic is not there, or no node answers */
  async partitionCount(topic: string): Promise<number> {
    return (await this.#topic(topic)).partitions.length;
  }

  /**
   * Identifies the topic's log by the current ids of the cluster and of the topic.
   * @throws {TroubleError} the topic is not there, or no node answers
   */
  async logId(topic: string): Promise<string> {
    const { clusterId, topics } = await this.ask(metadata([topic]));
    const { errorCode, topicId } = topics[0] ?? {
      errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION,
      topicId: '',
    };
    if (errorCode === ERROR.NONE) return logIdOf(clusterId, topicId);
    throw this.#whyMissing(topic, errorCode);
  }

  /**
   * Asks the partition's leader.
   * @throws {TroubleError} the partition has no leader, or the leader does not answer
   */
  async askLeader<T>(topic: string, partition: number, question: Exchange<T>): Promise<T> {
    return await this.#askNode(
      await this.leaderOf(topic, partition),
      question,
      ONE_NODE_TIMEOUT_MS,
    );
  }

  /** Asks this node. @throws {TroubleError} the node does not answer */
  async askNode<T>(address: Address, question: Exchange<T>): Promise<T> {
    return await this.#askNode(address, question, ONE_NODE_TIMEOUT_MS);
  }

  /**
   * Finds the group's coordinator. More than half of the nodes must name the same one. A
   * coordinator that is cut off from the others goes on naming itself, and tells old offsets.
   * @throws {TroubleError} the group has no coordinator now, too few nodes answer, or they disagree
   */
  async coordinatorOf(group: string): Promise<Address> {
    if (this.#picture.nodes.length === 0) await this.refresh();
    const nodes = this.nodes;
    const named: string[] = [];
    const question = findCoordinator(group);
    const votes = nodes.map(async (node) => {
      const answer = await this.#askNode(node, question, ANY_NODE_TIMEOUT_MS);
      if (answer.errorCode !== ERROR.NONE) {
        countBrokerError(errorName(answer.errorCode));
        throw new TroubleError(describeAnswer(answer.errorCode, question.request, this.#options));
      }
      const { host, port } = answer;
      named.push(`${host}:${port}`);
      const count = named.filter((name) => name === `${host}:${port}`).length;
      if (count > nodes.length / 2) return { host, port };
      throw new TroubleError(`too few of ${nodes.length} nodes name ${host}:${port}`);
    });
    return await Promise.any(votes).catch(({ errors: [first] }: AggregateError) => {
      const { message } = first as Error;
      throw new TroubleError(`The group ${group} has no coordinator just now (${message})`);
    });
  }

  /**
   * Gets a new picture, unless the last one is fresh. Overlapping calls share one look.
   * @param maxAgeMs how old a fresh picture may be
   */
  async refresh(maxAgeMs = FRESH_MS): Promise<void> {
    if (performance.now() - this.#paintedAtMs < maxAgeMs) return;
    this.#refreshing ??= this.#look().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values()) {
      opening.then(
        (connection) => connection.abandon(new TroubleError('The broker is closed')),
        () => {},
      );
    }
    this.#connections.clear();
  }

  async #topic(name: string): Promise<TopicPicture> {
    const known = () => this.#picture.topics.find((topic) => topic.name === name);
    if (!known()) {
      this.#topics.add(name);
      // A look that is under way does not ask for this topic.
      await this.#refreshing?.catch(() => {});
      await this.#look();
    } else if (known()?.partitions.length === 0) {
      // The topic may have been created since the last look.
      await this.refresh();
    }
    const topic = known();
    if (topic && topic.partitions.length > 0) return topic;
    const errorCode = topic?.errorCode ?? ERROR.UNKNOWN_TOPIC_OR_PARTITION;
    throw this.#whyMissing(name, errorCode);
  }

  #whyMissing(topic: string, errorCode: number): TroubleError {
    const missing = `The topic ${topic} is not there`;
    countBrokerError(errorName(errorCode));
    if (!isDenial(errorCode)) return new TroubleError(`${missing} (${errorName(errorCode)})`);
    const subject = { apiName: 'Metadata', topics: [topic] };
    const denial = describeAnswer(errorCode, subject, this.#options);
    return new AccessDeniedError(`${missing} for this client: ${denial}`);
  }

  /** Asks two nodes. One of them may be cut off from the others, and show an earlier state. */
  async #look(): Promise<void> {
    const looks = [1, 2].map(async () => this.#paint(await this.ask(metadata([...this.#topics]))));
    await Promise.allSettled(looks);
    await Promise.any(looks).catch(({ errors }: AggregateError) => Promise.reject(errors[0]));
  }

  #paint(picture: ClusterPicture): void {
    if (isOlder(picture, this.#picture)) return;
    const former = this.#picture;
    this.#picture = picture;
    this.#paintedAtMs = performance.now();
    if (whoIsWhere(picture) !== whoIsWhere(former)) this.onChange();
  }

  /**
   * Asks the nodes one after the other until one answers. The next node is asked as soon as one
   * fails or is slow. Configured nodes that are not alive come last: they may be cut off from the
   * others, and answer from an earlier state.
   * @throws {TroubleError} no node answers
   */
  async ask<T>(question: Exchange<T>): Promise<T> {
    this.#turn += 1;
    const start = this.#turn % this.nodes.length;
    const nodes = [
      ...this.nodes.slice(start),
      ...this.nodes.slice(0, start),
      ...this.#seeds.filter((seed) => !this.isAlive(seed)),
    ];
    const answered = new AbortController();
    const { signal } = answered;
    const asked: Promise<T>[] = [];
    let turn: Promise<unknown> = Promise.resolve();
    for (const node of nodes) {
      const answer = turn.then(() => {
        signal.throwIfAborted();
        return this.#askNode(node, question, ANY_NODE_TIMEOUT_MS);
      });
      asked.push(answer);
      const failed = answer.then(
        () => new Promise(() => {}),
        () => {},
      );
      turn = turn.then(() =>
        Promise.race([failed, sleep(HEDGE_MS, undefined, { signal }).catch(() => {})]),
      );
    }
    try {
      return await Promise.any(asked);
    } catch (error) {
      const [first] = (error as AggregateError).errors as Error[];
      throw new TroubleError(`No Kafka broker answers: ${first?.message}`, { cause: error });
    } finally {
      answered.abort();
    }
  }

  async #askNode<T>(address: Address, question: Exchange<T>, timeoutMs: number): Promise<T> {
    if (this.#isClosed) throw new TroubleError('The broker is closed');
    const key = `${address.host}:${address.port}`;
    const opening = this.#connections.get(key) ?? NodeConnection.open(this.#options, address);
    this.#connections.set(key, opening);
    try {
      return await (await opening).send(question, timeoutMs);
    } catch (error) {
      // Another question may have opened a new connection meanwhile.
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
      throw error;
    }
  }
}

/**
 * Tells whether the picture shows an earlier state of the cluster than the known one.
 *
 * Each election raises a leader's epoch. So the earlier picture has the lower sum of epochs over
 * the topics that both show. A topic that was created again has another id, and is not compared.
 */
function isOlder(picture: ClusterPicture, known: ClusterPicture): boolean {
  const shared = picture.topics.flatMap((topic) => {
    const former = known.topics.find(
      ({ name, topicId }) => name === topic.name && topicId === topic.topicId,
    );
    return former ? [{ now: epochsOf(topic), before: epochsOf(former) }] : [];
  });
  return shared.reduce((sum, { now, before }) => sum + now - before, 0) < 0;
}

function epochsOf({ partitions }: TopicPicture): number {
  return partitions.reduce((sum, { leaderEpoch }) => sum + leaderEpoch, 0);
}

function whoIsWhere({ nodes, topics }: ClusterPicture): string {
  return JSON.stringify([
    nodes.map(({ nodeId, host, port }) => `${nodeId} ${host}:${port}`).sort(),
    topics.map(({ partitions }) => partitions),
  ]);
}

/** Parses an address. @param text `host:port`; an IPv6 host stands in brackets */
export function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':');
  return {
    host: text.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(text.slice(colon + 1)),
  };
}
