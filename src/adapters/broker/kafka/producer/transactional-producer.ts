import { setTimeout as sleep } from 'node:timers/promises';
import { passing } from '../../../../fault-points.ts';
import type { TransactionalProducer } from '../../../../service-layer/broker.ts';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { GroupPosition, OutgoingRecord } from '../../../../service-layer/records.ts';
import { unlessAborted } from '../../hand-over.ts';
import {
  asServiceError,
  disconnect,
  isAnswer,
  type KafkaOptions,
  withDeadline,
} from '../client.ts';
import type { TopicLayouts } from '../layout.ts';
import type { PlacedRecord } from '../records/partition-records.ts';
import { type BatchEncoder, batchesOf, sequenceAfter } from '../records/record-batch.ts';
import type { DepartedNodes } from './departed-nodes.ts';
import { leadersOf, placeOf, topicsOf } from './leaders.ts';
import {
  type BrokerNode,
  type Cluster,
  GROUP_COORDINATOR,
  isBeforeKafka38,
  produce,
  TRANSACTION_COORDINATOR,
} from './producer-requests.ts';

const OPEN_TIMEOUT_MS = 30_000;
/**
 * How long a broker may take to write: longer than Kafka takes to elect another one, which ends the
 * wait at once. A lane that gave up before the election would make the coordinator send its abort
 * markers to the former leader, and Kafka waits 30 s for that answer.
 */
const WRITE_TIMEOUT_MS = 20_000;
/**
 * How long a coordinator before Kafka 3.8 may take. When it loads its state again, it never answers
 * what was under way (KAFKA-15468): waiting longer would only hold up the lane.
 */
const FORMER_COORDINATOR_TIMEOUT_MS = 10_000;
const PUBLISH_TIMEOUT_MS = 60_000;
const TRANSACTION_TIMEOUT_MS = 60_000;
const CONCURRENT_TIMEOUT_MS = 10_000;
const CONNECT_RETRIES = 5;
/** A coordinator is just moving, or cannot reach its replicas: a question of moments. */
const COORDINATOR_MOVES = [
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
];
/** Or the former holder's transaction is being ended. */
const NOT_YET = ['CONCURRENT_TRANSACTIONS', ...COORDINATOR_MOVES];

/** What the broker knows the holder of a transactional id by. */
interface Identity {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

/**
 * Guarantee: what one `publish` writes, records and position, becomes visible at once or never.
 *
 * 1. The transaction's coordinator is told which group's offsets and which partitions take part. Without effect when refused: the
 *    broker refuses for the few milliseconds in which it still ends the transaction before, so this is repeated until it accepts.
 * 2. The records, in order, and the position.
 * 3. Commit.
 *
 * A crash, or any error, before the broker has taken the commit: nothing becomes visible; the broker aborts when the next holder
 * of the transactional id opens (or after the transaction time-out). After it: all of it does. Which of the two it was, the
 * answer to the next holder's opening tells: the group's position is settled by then.
 *
 * It uses kafkajs's brokers, and not kafkajs's producer. That one asks for the coordinators anew at
 * each step, and waits for each of five steps in turn. After an ambiguous error it rolls its sequence
 * back and goes on. Here only the position is sent again, while the group's coordinator moves: sent
 * twice, it is the same position. Whatever else fails ends this producer.
 */
export class KafkaTransactionalProducer implements TransactionalProducer {
  readonly #cluster: Cluster;
  readonly #coordinator: BrokerNode;
  readonly #identity: Identity;
  readonly #layouts: TopicLayouts;
  readonly #departed: DepartedNodes;
  /** Where an operator's command finds the cluster. */
  readonly #servers: string;
  readonly #groupCoordinators = new Map<string, BrokerNode>();
  readonly #sequences = new Map<string, number>();
  #closed: Promise<void> | null = null;

  private constructor(parts: {
    readonly cluster: Cluster;
    readonly coordinator: BrokerNode;
    readonly identity: Identity;
    readonly layouts: TopicLayouts;
    readonly departed: DepartedNodes;
    readonly servers: string;
  }) {
    this.#cluster = parts.cluster;
    this.#coordinator = parts.coordinator;
    this.#identity = parts.identity;
    this.#layouts = parts.layouts;
    this.#departed = parts.departed;
    this.#servers = parts.servers;
  }

  /**
   * Tries until the broker has settled the former holder's transaction.
   * @throws {TroubleError} within 30 seconds or so, or once the signal aborts
   */
  static async open(
    options: KafkaOptions,
    transactionalId: string,
    layouts: TopicLayouts,
    departed: DepartedNodes,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<KafkaTransactionalProducer> {
    const doing = `Opening the producer ${transactionalId}`;
    const cluster = departed.createCluster(options, CONNECT_RETRIES, WRITE_TIMEOUT_MS);
    let isGivenUp = false;
    const initialise = async () => {
      await cluster.connect();
      const ask = async () => {
        const coordinator = await cluster.findGroupCoordinator({
          groupId: transactionalId,
          coordinatorType: TRANSACTION_COORDINATOR,
        });
        // A late request would fence the producer that the lane has opened since.
        if (isGivenUp) throw new TroubleError(`${doing}: too late`);
        const init = coordinator.initProducerId({
          transactionalId,
          transactionTimeout: TRANSACTION_TIMEOUT_MS,
        });
        const identity = await answered(coordinator, init, doing);
        const parts = {
          cluster,
          coordinator,
          identity: { transactionalId, ...identity },
          layouts,
          departed,
        };
        return new KafkaTransactionalProducer({ ...parts, servers: options.brokers.join(',') });
      };
      return await insist(ask, NOT_YET, OPEN_TIMEOUT_MS);
    };
    const opening = initialise();
    try {
      return await withDeadline(unlessAborted(opening, signal), OPEN_TIMEOUT_MS, doing);
    } catch (error) {
      isGivenUp = true;
      void disconnect(cluster);
      // What was still under way may have connected again.
      opening.finally(() => disconnect(cluster)).catch(() => {});
      departed.forget(cluster);
      throw asServiceError(error, doing);
    }
  }

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    const { transactionalId } = this.#identity;
    if (this.#closed) throw new TroubleError(`The producer ${transactionalId} is closed`);
    if (records.length === 0 && !position) return;
    const doing = `Publishing with ${transactionalId}`;
    try {
      const placed = await this.#layouts.place(records);
      await withDeadline(this.#transact(placed, position), PUBLISH_TIMEOUT_MS, doing);
    } catch (error) {
      this.#layouts.forget();
      void this.close();
      throw asServiceError(error, doing);
    }
  }

  async #transact(records: readonly PlacedRecord[], position: GroupPosition | null): Promise<void> {
    const batches = await batchesOf(records);
    this.#refuseTooLarge(batches);
    const topics = topicsOf(batches);
    const leaders = await leadersOf(this.#cluster, topics);
    if (position) await this.#groupCoordinatorOf(position.group);
    const identity = this.#identity;
    const coordinator = this.#coordinator;
    await Promise.all([
      position &&
        whenAccepted(coordinator, () =>
          coordinator.addOffsetsToTxn({ ...identity, groupId: position.group }),
        ),
      topics.length > 0 &&
        whenAccepted(coordinator, () => coordinator.addPartitionsToTxn({ ...identity, topics })),
    ]);
    passing('transaction-joined');
    await Promise.all([
      this.#send(batches, leaders).then(() => passing('records-sent')),
      position && insist(() => this.#sendPosition(position), COORDINATOR_MOVES, WRITE_TIMEOUT_MS),
    ]);
    passing('offset-sent');
    await answered(
      coordinator,
      coordinator.endTxn({ ...identity, transactionResult: true }),
      'EndTxn',
    );
    passing('broker-committed');
  }

  /**
   * Refuses a record that is larger than its topic takes. The broker's own answer would name neither the topic nor its setting.
   * @throws {TroubleError} with the command that makes room for the largest such record
   */
  #refuseTooLarge(batches: readonly BatchEncoder[]): void {
    const tooLarge = batches.filter(({ bytes, maxMessageBytes }) => bytes > maxMessageBytes);
    const largest = tooLarge.toSorted((a, b) => b.bytes - a.bytes)[0];
    if (!largest) return;
    const { topic, bytes, maxMessageBytes } = largest;
    throw new TroubleError(
      `A record needs ${bytes} bytes, but ${topic} takes at most ${maxMessageBytes} bytes (max.message.bytes). ` +
        `Make room for it: kafka-configs.sh --bootstrap-server ${this.#servers} --alter --entity-type topics ` +
        `--entity-name ${topic} --add-config max.message.bytes=${bytes}`,
    );
  }

  /**
   * One request after another, each with at most one batch of a partition: the order of a partition's batches is theirs. None waits
   * for the answer to the one before: a leader takes a connection's requests one by one, and refuses a batch whose predecessor it has not.
   */
  async #send(
    batches: readonly BatchEncoder[],
    leaders: ReadonlyMap<string, BrokerNode>,
  ): Promise<void> {
    const waiting = [...batches];
    const sent: Promise<void>[] = [];
    while (waiting.length > 0) {
      const request = new Map<string, BatchEncoder>();
      while (waiting[0] && !request.has(placeOf(waiting[0])))
        request.set(placeOf(waiting[0]), waiting.shift() as BatchEncoder);
      const byLeader = Map.groupBy(
        request.values(),
        (batch) => leaders.get(placeOf(batch)) as BrokerNode,
      );
      for (const [leader, ofLeader] of byLeader) sent.push(this.#produce(leader, ofLeader));
    }
    await Promise.all(sent);
  }

  async #produce(leader: BrokerNode, batches: readonly BatchEncoder[]): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = this.#identity;
    const encoded = batches.map((batch) => {
      const firstSequence = this.#sequences.get(placeOf(batch)) ?? 0;
      this.#sequences.set(placeOf(batch), sequenceAfter(firstSequence, batch.count));
      const bytes = batch.encode(
        { producerId: BigInt(producerId), producerEpoch, firstSequence, isTransactional: true },
        Date.now(),
      );
      return { topic: batch.topic, partition: batch.partition, bytes };
    });
    await produce(leader, transactionalId, encoded, WRITE_TIMEOUT_MS);
  }

  /** An error forgets the coordinator: the next try asks where it is. */
  async #sendPosition(position: GroupPosition): Promise<void> {
    const { group } = position;
    const coordinator = await this.#groupCoordinatorOf(group);
    try {
      await coordinator.txnOffsetCommit({
        ...this.#identity,
        groupId: group,
        topics: [asOffsets(position)],
      });
    } catch (error) {
      this.#groupCoordinators.delete(group);
      throw error;
    }
  }

  async #groupCoordinatorOf(groupId: string): Promise<BrokerNode> {
    const known = this.#groupCoordinators.get(groupId);
    const coordinator =
      known ??
      (await this.#cluster.findGroupCoordinator({ groupId, coordinatorType: GROUP_COORDINATOR }));
    this.#groupCoordinators.set(groupId, coordinator);
    return coordinator;
  }

  /** Never aborts: an aborted transaction is the next holder's to settle. */
  close(): Promise<void> {
    this.#departed.forget(this.#cluster);
    this.#closed ??= disconnect(this.#cluster);
    return this.#closed;
  }
}

function asOffsets({ topic, partition, nextOffset }: GroupPosition) {
  return { topic, partitions: [{ partition, offset: String(nextOffset) }] };
}

/** The broker ends a transaction a few milliseconds after it has answered the commit, and begins no other before. */
function whenAccepted<T>(coordinator: BrokerNode, request: () => Promise<T>): Promise<T> {
  const ask = () => answered(coordinator, request(), 'Joining the transaction');
  return insist(ask, ['CONCURRENT_TRANSACTIONS'], CONCURRENT_TIMEOUT_MS);
}

/** @throws {TroubleError} the transaction coordinator takes longer than its release of Kafka may */
function answered<T>(coordinator: BrokerNode, answer: Promise<T>, doing: string): Promise<T> {
  return isBeforeKafka38(coordinator)
    ? withDeadline(answer, FORMER_COORDINATOR_TIMEOUT_MS, doing)
    : answer;
}

/** Asks again, for some time, while the broker's answer is one of these. */
async function insist<T>(
  request: () => Promise<T>,
  answers: readonly string[],
  timeoutMs: number,
): Promise<T> {
  const giveUpAt = Date.now() + timeoutMs;
  for (let waitMs = 1; ; waitMs = Math.min(2 * waitMs, 50)) {
    try {
      return await request();
    } catch (error) {
      if (!isAnswer(error, ...answers) || Date.now() > giveUpAt) throw error;
      await sleep(waitMs);
    }
  }
}
