import { setTimeout as sleep } from 'node:timers/promises';
import type { PartitionMetadata } from 'kafkajs';
import type { EpochEnd, OffsetRange } from '../../../service-layer/broker.ts';
import { TroubleError } from '../../../service-layer/errors.ts';
import { asServiceError, type KafkaOptions } from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Address } from './connection.ts';
import { ERROR } from './requests/error-codes.ts';
import type { Exchange } from './requests/exchange.ts';
import { listOffset } from './requests/fetch-request.ts';
import { type CommittedOffsets, committedOffsets, endOfEpoch } from './requests/offset-requests.ts';
import { settingsOf } from './requests/settings-request.ts';
import { describeAnswer } from './security/permissions.ts';

/** How long the admin repeats a question while leaders and coordinators move. */
const REPEAT_MS = 7_000;
const RETRY_MS = 50;
/**
 * How long the admin remembers a group's coordinator, for lanes that wait for other lanes. A
 * coordinator that is cut off answers without an error, but always with the old offsets.
 */
const COORDINATOR_FRESH_MS = 1_000;

/** Errors after which the same question may succeed: later, or at another node. */
const RETRIABLE: ReadonlySet<number> = new Set([
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
  // The offsets of a committed transaction are not applied yet.
  ERROR.UNSTABLE_OFFSET_COMMIT,
]);

interface KnownCoordinator {
  readonly address: Address;
  readonly sinceMs: number;
}

/** Asks the cluster about topics, offsets and settings. It asks only the nodes that must know. */
export class KafkaAdmin {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #coordinators = new Map<string, KnownCoordinator>();
  #isClosed = false;

  constructor(options: KafkaOptions, view: ClusterView) {
    this.#options = options;
    this.#view = view;
  }

  async maxMessageBytes(topic: string): Promise<number> {
    return Number(await this.#setting(topic, 'max.message.bytes'));
  }

  async isCompacted(topic: string): Promise<boolean> {
    return (await this.#setting(topic, 'cleanup.policy')).includes('compact');
  }

  async #setting(topic: string, name: string): Promise<string> {
    const doing = `Reading the settings of ${topic}`;
    const question = settingsOf({ kind: 'topic', name: topic }, [name]);
    const { values } = await this.#insist(doing, question, () => this.#view.ask(question));
    const value = values.get(name);
    if (value === undefined) throw new TroubleError(`${doing}: Kafka's answer leaves out ${name}`);
    return value;
  }

  /**
   * Reads the group's committed offsets.
   *
   * The admin asks with `require_stable` for the stable partition alone. A dead owner's transaction
   * may stay open for a minute, and would hold up the lanes of all other partitions. A question
   * about a stable partition looks for the coordinator anew, because an old offset would make the
   * lane publish answers twice.
   * @param stable the partition whose offset must include all committed transactions
   * @returns each partition's offset, or null if the group has committed none
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
    const question = committedOffsets(group, topic, all, false);
    const questions = [question];
    if (stable !== undefined) questions.push(committedOffsets(group, topic, [stable], true));
    const maxAgeMs = stable === undefined ? COORDINATOR_FRESH_MS : 0;
    const { partitions } = await this.#insist(doing, question, () =>
      this.#askCoordinator(group, questions, maxAgeMs),
    );
    const offsets = new Map(partitions.map(({ partition, offset }) => [partition, offset]));
    return all.map((partition) => {
      const offset = offsets.get(partition);
      if (offset === undefined)
        throw new TroubleError(`${doing}: Kafka's answer leaves out ${topic}/${partition}`);
      return offset < 0 ? null : offset;
    });
  }

  /**
   * @param maxAgeMs how long ago the coordinator may have been found
   * @returns all answers as one, with the first error; a later question's offsets come last
   */
  async #askCoordinator(
    group: string,
    questions: readonly Exchange<CommittedOffsets>[],
    maxAgeMs: number,
  ): Promise<CommittedOffsets> {
    const known = this.#coordinators.get(group);
    this.#coordinators.delete(group);
    const sinceMs = performance.now();
    const coordinator =
      known && sinceMs - known.sinceMs < maxAgeMs
        ? known
        : { address: await this.#view.coordinatorOf(group), sinceMs };
    const answers = await Promise.all(
      questions.map((question) => this.#view.askNode(coordinator.address, question)),
    );
    const partitions = answers.flatMap((answer) => answer.partitions);
    const failed = [...answers, ...partitions].find(({ errorCode }) => errorCode !== ERROR.NONE);
    if (!failed) this.#coordinators.set(group, coordinator);
    return { errorCode: failed?.errorCode ?? ERROR.NONE, partitions };
  }

  /**
   * Finds the offset after the last record of this leader epoch or an earlier one.
   * @returns null if the leader does not know the epoch
   */
  async endOfEpoch(
    topic: string,
    partition: number,
    leaderEpoch: number,
  ): Promise<EpochEnd | null> {
    const doing = `Asking where epoch ${leaderEpoch} of ${topic}/${partition} ends`;
    const question = endOfEpoch(topic, partition, leaderEpoch);
    const end = await this.#insist(doing, question, () =>
      this.#view.askLeader(topic, partition, question),
    );
    return end.offset < 0 ? null : { leaderEpoch: end.leaderEpoch, offset: end.offset };
  }

  /** @param partitions the partitions to ask for; absent: all */
  async offsetRanges(
    topic: string,
    partitions?: readonly number[],
  ): Promise<readonly OffsetRange[]> {
    const asked =
      partitions ??
      Array.from({ length: await this.#view.partitionCount(topic) }, (_, partition) => partition);
    return await Promise.all(asked.map((partition) => this.#offsetRange(topic, partition)));
  }

  async #offsetRange(topic: string, partition: number): Promise<OffsetRange> {
    const ask = (which: 'beginning' | 'end') => {
      const question = listOffset(topic, partition, which);
      return this.#insist(`Reading the ${which} of ${topic}/${partition}`, question, () =>
        this.#view.askLeader(topic, partition, question),
      );
    };
    // Ask for the beginning first. Retention may raise it meanwhile, but never above the later end.
    const beginning = await ask('beginning');
    const end = await ask('end');
    return { partition, beginning: beginning.offset, end: end.offset };
  }

  /**
   * Reads the topic's partitions in the form that kafkajs's partitioner expects.
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

  /** Identifies the topic's log by the ids of the cluster and of the topic. */
  logId(topic: string): Promise<string> {
    return this.#view.logId(topic);
  }

  close(): void {
    this.#isClosed = true;
  }

  /**
   * Repeats the question until an answer has no error.
   * @throws {TroubleError} a repeated question fails with another error, or the time is over
   */
  async #insist<T extends { readonly errorCode: number }>(
    doing: string,
    { request }: Exchange<T>,
    ask: () => Promise<T>,
  ): Promise<T> {
    const giveUpAtMs = performance.now() + REPEAT_MS;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await ask().catch((error: Error) => error);
      if (!(answer instanceof Error) && answer.errorCode === ERROR.NONE) return answer;
      const isFinal = attempt > 1 && !(answer instanceof Error) && !RETRIABLE.has(answer.errorCode);
      if (isFinal || this.#isClosed || performance.now() > giveUpAtMs) {
        throw asServiceError(
          answer instanceof Error
            ? answer
            : new TroubleError(
                `Kafka answers ${describeAnswer(answer.errorCode, request, this.#options)}`,
              ),
          doing,
        );
      }
      await sleep(RETRY_MS);
      await this.#view.refresh().catch(() => {});
    }
  }
}
