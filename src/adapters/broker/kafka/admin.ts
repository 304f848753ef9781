import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, PartitionMetadata } from 'kafkajs';
import type { EpochEnd, OffsetRange, TopicSettings } from '../../../service-layer/broker.ts';
import { MissingTopicError, TroubleError } from '../../../service-layer/errors.ts';
import {
  asServiceError,
  createClient,
  disconnect,
  type KafkaOptions,
  OPERATION_TIMEOUT_MS,
  withDeadline,
} from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Address } from './connection.ts';
import { ERROR, errorName } from './requests/error-codes.ts';
import type { Exchange } from './requests/exchange.ts';
import { listOffset } from './requests/fetch-request.ts';
import { type CommittedOffsets, committedOffsets, endOfEpoch } from './requests/offset-requests.ts';
import { topicSetting } from './requests/settings-request.ts';

/** Its callers try again by themselves, and some want to know soon. */
const CONNECT_RETRIES = 4;
/** How long a question is asked again while nodes move. */
const ASKING_AGAIN_MS = 7_000;
const RETRY_MS = 50;

/** Errors that another question settles: the node needs a moment, or another node knows. */
const PASSING: ReadonlySet<number> = new Set([
  ERROR.UNKNOWN_TOPIC_OR_PARTITION,
  ERROR.LEADER_NOT_AVAILABLE,
  ERROR.NOT_LEADER_OR_FOLLOWER,
  ERROR.REQUEST_TIMED_OUT,
  ERROR.REPLICA_NOT_AVAILABLE,
  ERROR.COORDINATOR_LOAD_IN_PROGRESS,
  ERROR.COORDINATOR_NOT_AVAILABLE,
  ERROR.NOT_COORDINATOR,
  ERROR.KAFKA_STORAGE_ERROR,
  ERROR.FENCED_LEADER_EPOCH,
  ERROR.UNKNOWN_LEADER_EPOCH,
  ERROR.OFFSET_NOT_AVAILABLE,
  // A committed transaction's offsets are not applied yet.
  ERROR.UNSTABLE_OFFSET_COMMIT,
]);

/** Questions to the cluster. Each goes to the nodes that must know, and to no others. */
export class KafkaAdmin {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #coordinators = new Map<string, Address>();
  #isClosed = false;

  constructor(options: KafkaOptions, view: ClusterView) {
    this.#options = options;
    this.#view = view;
  }

  async ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    const existing = new Set(
      await this.#withAdmin('Listing the topics', (admin) => admin.listTopics()),
    );
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    if (!create) throw new MissingTopicError(this.#sayHowToCreate(missing));
    await this.#withAdmin('Creating topics', (admin) =>
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
    const doing = `Reading the settings of ${topic}`;
    const { value } = await this.#insist(doing, () => this.#view.ask(topicSetting(topic, name)));
    if (value === null) throw new TroubleError(`${doing}: Kafka's answer leaves out ${name}`);
    return value;
  }

  /**
   * Only the stable partition's offset is asked for with `require_stable`: a dead owner's transaction
   * may stay open for a minute, and would hold up the lanes of all others.
   */
  async committedOffsets(
    group: string,
    topic: string,
    stable?: number,
  ): Promise<readonly (number | null)[]> {
    const doing = `Reading the offsets of ${group}`;
    const count = await this.#view.partitionCount(topic);
    if (stable !== undefined && stable >= count)
      throw new TroubleError(`Kafka does not know ${topic}/${stable} yet`);
    const all = Array.from({ length: count }, (_, partition) => partition);
    const questions = [committedOffsets(group, topic, all, false)];
    if (stable !== undefined) questions.push(committedOffsets(group, topic, [stable], true));
    const { partitions } = await this.#insist(doing, () => this.#askCoordinator(group, questions));
    const offsets = new Map(partitions.map(({ partition, offset }) => [partition, offset]));
    return all.map((partition) => {
      const offset = offsets.get(partition);
      if (offset === undefined)
        throw new TroubleError(`${doing}: Kafka's answer leaves out ${topic}/${partition}`);
      return offset < 0 ? null : offset;
    });
  }

  /** @returns the answers as one: a later question's offsets count, and any error */
  async #askCoordinator(
    group: string,
    questions: readonly Exchange<CommittedOffsets>[],
  ): Promise<CommittedOffsets> {
    const coordinator = this.#coordinators.get(group) ?? (await this.#view.coordinatorOf(group));
    this.#coordinators.delete(group);
    const answers = await Promise.all(
      questions.map((question) => this.#view.askNode(coordinator, question)),
    );
    const partitions = answers.flatMap((answer) => answer.partitions);
    const failed = [...answers, ...partitions].find(({ errorCode }) => errorCode !== ERROR.NONE);
    if (!failed) this.#coordinators.set(group, coordinator);
    return { errorCode: failed?.errorCode ?? ERROR.NONE, partitions };
  }

  /** Where the records of the leader epoch, and of those before it, end; null: the leader does not know it. */
  async endOfEpoch(
    topic: string,
    partition: number,
    leaderEpoch: number,
  ): Promise<EpochEnd | null> {
    const doing = `Asking where epoch ${leaderEpoch} of ${topic}/${partition} ends`;
    const end = await this.#insist(doing, () =>
      this.#view.askLeader(topic, partition, endOfEpoch(topic, partition, leaderEpoch)),
    );
    return end.offset < 0 ? null : { leaderEpoch: end.leaderEpoch, offset: end.offset };
  }

  /** @param partitions those that are wanted; without it, all */
  async offsetRanges(
    topic: string,
    partitions?: readonly number[],
  ): Promise<readonly OffsetRange[]> {
    const wanted =
      partitions ??
      Array.from({ length: await this.#view.partitionCount(topic) }, (_, partition) => partition);
    return await Promise.all(wanted.map((partition) => this.#offsetRange(topic, partition)));
  }

  async #offsetRange(topic: string, partition: number): Promise<OffsetRange> {
    const ask = (which: 'beginning' | 'end') =>
      this.#insist(`Reading the ${which} of ${topic}/${partition}`, () =>
        this.#view.askLeader(topic, partition, listOffset(topic, partition, which)),
      );
    // In this order: what is deleted meanwhile never leaves a beginning beyond the end.
    const beginning = await ask('beginning');
    const end = await ask('end');
    return { partition, beginning: beginning.offset, end: end.offset };
  }

  /**
   * The topic's partitions, as kafkajs's partitioner takes them.
   * @throws {TroubleError} the topic is not there, or no node answers
   */
  async partitions(topic: string): Promise<PartitionMetadata[]> {
    await this.#view.refresh();
    const leaders = await this.#view.leadersOf(topic);
    return leaders.map((leader, partitionId) => ({
      partitionErrorCode: 0,
      partitionId,
      leader,
      replicas: [],
      isr: [],
    }));
  }

  /** The ids of the cluster and of the topic. */
  logId(topic: string): Promise<string> {
    return this.#view.logId(topic);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Asks until there is an answer without an error, the same final error again, or no time left. */
  async #insist<T extends { readonly errorCode: number }>(
    doing: string,
    question: () => Promise<T>,
  ): Promise<T> {
    const giveUpAtMs = performance.now() + ASKING_AGAIN_MS;
    for (let asked = 1; ; asked += 1) {
      const answer = await question().catch((error: Error) => error);
      if (!(answer instanceof Error) && answer.errorCode === ERROR.NONE) return answer;
      const isFinal = asked > 1 && !(answer instanceof Error) && !PASSING.has(answer.errorCode);
      if (isFinal || this.#isClosed || performance.now() > giveUpAtMs) {
        throw asServiceError(
          answer instanceof Error
            ? answer
            : new TroubleError(`Kafka answers ${errorName(answer.errorCode)}`),
          doing,
        );
      }
      await sleep(RETRY_MS);
      await this.#view.refresh().catch(() => {});
    }
  }

  /** What only kafkajs's own admin does, through a connection for this one question. */
  async #withAdmin<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = createClient(this.#options, CONNECT_RETRIES).admin();
    try {
      return await withDeadline(
        admin.connect().then(() => question(admin)),
        OPERATION_TIMEOUT_MS,
        doing,
      );
    } catch (error) {
      throw asServiceError(error, doing);
    } finally {
      void disconnect(admin);
    }
  }
}
