// Node finds no name after CompressionCodecs in this CommonJS module: by its default export then.
import kafkajs, { type Admin } from 'kafkajs';
import { MissingTopicError, type OffsetRange, type TopicSettings, TroubleError } from '../../../service-layer/unit-of-work.ts';
import { asServiceError, clientConfig, createClient, disconnect, type KafkaOptions, OPERATION_TIMEOUT_MS, withDeadline } from './client.ts';
import { readCommittedOffsets, readEndOfEpoch } from './offset-requests.ts';
import { type BrokerNode, type Cluster, createCluster, readTopicId } from './protocol.ts';

/** Its callers try again by themselves, and some want to know soon. */
const CONNECT_RETRIES = 4;
/** Lanes that wait for one another ask for offsets 100 times a second; the number of partitions need not be asked for each time. */
const PARTITIONS_MAX_AGE_MS = 3_000;
/** Of an operation that asks again by itself: the rest is for connecting. */
const ASKING_AGAIN_MS = 7_000;

interface Client {
  readonly admin: Admin;
  /** For what kafkajs's admin cannot ask. Connects at its first use. */
  readonly cluster: Cluster;
  readonly groupCoordinators: Map<string, BrokerNode>;
}

/** Questions to the cluster, through connections that are opened at first use and replaced after a failure. */
export class KafkaAdmin {
  readonly #options: KafkaOptions;
  readonly #partitionCounts = new Map<string, { readonly count: number; readonly expiresMs: number }>();
  #client: Promise<Client> | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  async ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    const existing = new Set(await this.#ask('Listing the topics', ({ admin }) => admin.listTopics()));
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    if (!create) throw new MissingTopicError(this.#sayHowToCreate(missing));
    await this.#ask('Creating topics', ({ admin }) =>
      admin.createTopics({
        waitForLeaders: true,
        topics: missing.map(({ name, partitions, maxMessageBytes }) => ({
          topic: name,
          numPartitions: partitions,
          configEntries: [{ name: 'max.message.bytes', value: String(maxMessageBytes) }],
        })),
      }),
    );
  }

  #sayHowToCreate(missing: readonly TopicSettings[]): string {
    const server = this.#options.brokers.join(',');
    const commands = missing.map(
      ({ name, partitions, maxMessageBytes }) =>
        `kafka-topics.sh --bootstrap-server ${server} --create --topic ${name} --partitions ${partitions} --config max.message.bytes=${maxMessageBytes}`,
    );
    const names = missing.map(({ name }) => name).join(', ');
    return `Missing in Kafka: ${names}. Create with:\n${commands.join('\n')}`;
  }

  async maxMessageBytes(topic: string): Promise<number> {
    return Number(await this.#setting(topic, 'max.message.bytes'));
  }

  async isCompacted(topic: string): Promise<boolean> {
    return (await this.#setting(topic, 'cleanup.policy')).includes('compact');
  }

  async #setting(topic: string, name: string): Promise<string> {
    const { resources } = await this.#ask(`Reading the settings of ${topic}`, ({ admin }) =>
      admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }],
      }),
    );
    const value = resources[0]?.configEntries.find(({ configName }) => configName === name)?.configValue;
    if (value === undefined) throw new TroubleError(`Reading the settings of ${topic}: Kafka's answer leaves out ${name}`);
    return value;
  }

  async committedOffsets(group: string, topic: string, atLeast = 1): Promise<readonly (number | null)[]> {
    const count = await this.#partitionCount(topic, atLeast);
    const offsets = await this.#ask(`Reading the offsets of ${group}`, async ({ cluster, groupCoordinators }) => {
      await cluster.connect();
      return await readCommittedOffsets(cluster, groupCoordinators, { group, topic, count }, ASKING_AGAIN_MS);
    });
    return offsets.map(({ offset }) => (offset < 0 ? null : offset));
  }

  async endOfEpoch(topic: string, partition: number, leaderEpoch: number): Promise<number | null> {
    return await this.#ask(`Asking where epoch ${leaderEpoch} of ${topic}/${partition} ends`, async ({ cluster }) => {
      await cluster.connect();
      await cluster.addMultipleTargetTopics([topic]);
      return await readEndOfEpoch(cluster, { topic, partition, leaderEpoch }, ASKING_AGAIN_MS);
    });
  }

  async offsetRanges(topic: string): Promise<readonly OffsetRange[]> {
    const ranges = await this.#ofEachPartition(topic, `Reading the ends of ${topic}`, ({ admin }) => admin.fetchTopicOffsets(topic));
    return ranges.map(({ partition, low, high }) => ({ partition, beginning: Number(low), end: Number(high) }));
  }

  /**
   * Asks for all topics, since kafkajs keeps the answer to a question about one as its only picture of the cluster: another question
   * that is just being asked would find its topic without partitions.
   */
  async partitions(topic: string) {
    const { topics } = await this.#ask(`Reading the partitions of ${topic}`, ({ admin }) => admin.fetchTopicMetadata());
    return topics.find(({ name }) => name === topic)?.partitions ?? [];
  }

  /** @param atLeast so many are known to exist */
  async #partitionCount(topic: string, atLeast: number): Promise<number> {
    const known = this.#partitionCounts.get(topic);
    if (known && known.count >= atLeast && known.expiresMs > performance.now()) return known.count;
    const count = (await this.partitions(topic)).length;
    this.#partitionCounts.set(topic, { count, expiresMs: performance.now() + PARTITIONS_MAX_AGE_MS });
    return count;
  }

  /**
   * The answers by partition, one for each. A partition that kafkajs left out is not one without an offset: taken for that, all that
   * a lane ever answered would be published again.
   * @throws {TroubleError} an answer is missing
   */
  async #ofEachPartition<T extends { readonly partition: number }>(
    topic: string,
    doing: string,
    question: (client: Client) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const answers = new Map((await this.#ask(doing, question)).map((answer) => [answer.partition, answer]));
    const count = Math.max(await this.#partitionCount(topic, 1), ...[...answers.keys()].map((partition) => partition + 1));
    return Array.from({ length: count }, (_, partition) => {
      const answer = answers.get(partition);
      if (!answer) throw new TroubleError(`${doing}: Kafka's answer leaves out ${topic}/${partition}`);
      return answer;
    });
  }

  /** The ids of the cluster and of the topic. */
  async logId(topic: string): Promise<string> {
    return await this.#ask(`Asking for the id of ${topic}`, async ({ admin, cluster }) => {
      const { clusterId } = await admin.describeCluster();
      await cluster.connect();
      await cluster.addMultipleTargetTopics([]); // Reads the metadata, if it has not yet.
      const topicId = await readTopicId(await cluster.findControllerBroker(), topic);
      return topicId === null ? clusterId : `${clusterId}/${topicId}`;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const client = this.#client;
    this.#client = null;
    await client?.then(disconnectAll, () => {});
  }

  async #ask<T>(doing: string, question: (client: Client) => Promise<T>): Promise<T> {
    const wasConnected = this.#client !== null;
    try {
      return await this.#askOnce(doing, question);
    } catch (error) {
      // The connection may be one that a broker's restart has cut: a fresh one decides.
      if (wasConnected) return await this.#askOnce(doing, question);
      throw error;
    }
  }

  async #askOnce<T>(doing: string, question: (client: Client) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new TroubleError(`${doing}: the connection was closed`);
    this.#client ??= this.#connect();
    const connected = this.#client;
    try {
      return await withDeadline(connected.then(question), OPERATION_TIMEOUT_MS, doing);
    } catch (error) {
      if (this.#client === connected) this.#client = null;
      connected.then(disconnectAll, () => {});
      throw asServiceError(error, doing);
    }
  }

  async #connect(): Promise<Client> {
    const admin = createClient(this.#options, CONNECT_RETRIES).admin();
    await admin.connect();
    return { admin, cluster: createCluster(clientConfig(this.#options, CONNECT_RETRIES)), groupCoordinators: new Map() };
  }
}

async function disconnectAll({ admin, cluster }: Client): Promise<void> {
  await Promise.all([disconnect(admin), disconnect(cluster)]);
}
