import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { PlaceInTopic } from '../../record-checks.ts';
import { disconnect, type KafkaOptions, OPERATION_TIMEOUT_MS } from '../client.ts';
import {
  type BrokerNode,
  type Cluster,
  errorOf,
  type ProducerIdentity,
} from '../kafkajs-internals.ts';
import type { PartitionRecord } from '../records/partition-records.ts';
import { type BatchEncoder, batchesOf, sequenceAfter } from '../records/record-batch.ts';
import { permitted } from '../security/permissions.ts';
import type { DepartedNodes } from './departed-nodes.ts';
import { leadersOf, partitionKey, topicsOf } from './leaders.ts';
import { appendTo } from './producer-requests.ts';

/** How long the appender waits between two attempts. Each attempt reads the metadata first. */
const RETRY_MS = 100;
const CONNECT_RETRIES = 1;

/**
 * An encoded batch with a sequence. The leader recognizes a repeated batch by its sequence.
 */
interface NumberedBatch {
  /** The batch's `partitionKey`. */
  readonly key: string;
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
  readonly bytes: Buffer;
}

/** A batch that is in the log. */
interface AppendedBatch extends NumberedBatch {
  readonly baseOffset: number;
}

/** The outcome of one attempt to append batches. */
interface Attempt {
  readonly appended: readonly AppendedBatch[];
  /** The batches that no leader has confirmed, which may be in the log. */
  readonly left: readonly NumberedBatch[];
}

/**
 * An idempotent producer without transactions.
 *
 * Guarantee: when `append` resolves, each record is in the log once. When `append` rejects, each
 * record is in the log at most once, and the caller must not use this appender again.
 *
 * Each partition has at most one batch under way. The appender sends the same bytes to the
 * partition's current leader until a leader confirms them. A leader drops a sequence that it has.
 *
 * kafkajs's own producer remembers which nodes have answered instead of which partitions. If a
 * leader moves during a send, that producer reports unsent records as sent, and sends others twice.
 */
export class IdempotentAppender {
  readonly #options: KafkaOptions;
  readonly #cluster: Cluster;
  readonly #departed: DepartedNodes;
  readonly #sequences = new Map<string, number>();
  #identity: Promise<Omit<ProducerIdentity, 'transactionalId'>> | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions, departed: DepartedNodes) {
    this.#options = options;
    this.#cluster = departed.createCluster(options, CONNECT_RETRIES, OPERATION_TIMEOUT_MS);
    this.#departed = departed;
  }

  /** Appends the records. @returns each record's place, in the order given */
  async append(records: readonly PartitionRecord[]): Promise<readonly PlaceInTopic[]> {
    const batches = await batchesOf(records);
    const offsets = new Map<string, number[]>();
    for (let waiting = [...batches]; waiting.length > 0; ) {
      const round = new Map<string, BatchEncoder>();
      for (const batch of waiting)
        if (!round.has(partitionKey(batch))) round.set(partitionKey(batch), batch);
      waiting = waiting.filter((batch) => round.get(partitionKey(batch)) !== batch);
      const appended = await this.#appendRound([...round.values()]);
      for (const { key, baseOffset, count } of appended) {
        const known = offsets.get(key) ?? [];
        offsets.set(key, known);
        for (let index = 0; index < count; index += 1) known.push(baseOffset + index);
      }
    }
    const counts = new Map<string, number>();
    return records.map(({ record: { topic }, partition }) => {
      const key = partitionKey({ topic, partition });
      const index = counts.get(key) ?? 0;
      counts.set(key, index + 1);
      return { partition, offset: offsets.get(key)?.[index] as number };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#departed.forget(this.#cluster);
    await disconnect(this.#cluster);
  }

  /** Appends one batch to each of several partitions. Tries until all leaders have confirmed. */
  async #appendRound(batches: readonly BatchEncoder[]): Promise<readonly AppendedBatch[]> {
    const done: AppendedBatch[] = [];
    let waiting = await this.#insist(() => this.#number(batches));
    for (;;) {
      const { appended, left } = await this.#insist(() => this.#attempt(waiting));
      done.push(...appended);
      if (left.length === 0) return done;
      waiting = left;
      await this.#pause();
    }
  }

  async #attempt(waiting: readonly NumberedBatch[]): Promise<Attempt> {
    const leaders = await leadersOf(this.#cluster, topicsOf(waiting));
    const byLeader = Map.groupBy(waiting, ({ key }) => leaders.get(key));
    const attempts = await Promise.all(
      [...byLeader].map(([leader, ofLeader]) => this.#sendTo(leader, ofLeader)),
    );
    return {
      appended: attempts.flatMap(({ appended }) => appended),
      left: attempts.flatMap(({ left }) => left),
    };
  }

  async #sendTo(
    leader: BrokerNode | undefined,
    batches: readonly NumberedBatch[],
  ): Promise<Attempt> {
    if (!leader) return { appended: [], left: batches };
    const answers = await appendTo(leader, batches, OPERATION_TIMEOUT_MS).catch(
      (error: unknown) => {
        if (isRetriable(error)) return [];
        throw error;
      },
    );
    const byPartition = new Map(answers.map((answer) => [partitionKey(answer), answer]));
    const appended: AppendedBatch[] = [];
    const left: NumberedBatch[] = [];
    for (const batch of batches) {
      const answer = byPartition.get(batch.key);
      const error = answer && errorOf(answer.errorCode);
      if (error && !isRetriable(error)) {
        const subject = { apiName: 'Produce', topics: [batch.topic] };
        return await permitted(Promise.reject(error), subject, this.#options);
      }
      if (answer && !error) appended.push({ ...batch, baseOffset: answer.baseOffset });
      else left.push(batch);
    }
    return { appended, left };
  }

  /** Repeats the work until it succeeds. The caller's deadline closes this appender. */
  async #insist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#refuseClosed();
      try {
        return await work();
      } catch (error) {
        if (!isRetriable(error)) throw error;
        await this.#pause();
      }
    }
  }

  /**
   * Stops an attempt of a closed appender, because kafkajs would connect again.
   * @throws {TroubleError} this appender is closed
   */
  #refuseClosed(): void {
    if (this.#isClosed) throw new TroubleError('The producer is closed');
  }

  async #pause(): Promise<void> {
    await sleep(RETRY_MS);
    this.#refuseClosed();
    await this.#cluster.refreshMetadata().catch(() => {});
  }

  /** Encodes the batches with the next sequences of their partitions. */
  async #number(batches: readonly BatchEncoder[]): Promise<readonly NumberedBatch[]> {
    const { producerId, producerEpoch } = await this.#knownIdentity();
    return batches.map((batch) => {
      const { topic, partition, count } = batch;
      const key = partitionKey(batch);
      const firstSequence = this.#sequences.get(key) ?? 0;
      this.#sequences.set(key, sequenceAfter(firstSequence, count));
      const producer = {
        producerId: BigInt(producerId),
        producerEpoch,
        firstSequence,
        isTransactional: false,
      };
      return { key, topic, partition, count, bytes: batch.encode(producer, Date.now()) };
    });
  }

  async #knownIdentity() {
    this.#identity ??= this.#initialise();
    try {
      return await this.#identity;
    } catch (error) {
      this.#identity = null;
      throw error;
    }
  }

  async #initialise() {
    await this.#cluster.connect();
    await this.#cluster.refreshMetadata();
    const node = await this.#cluster.findControllerBroker();
    const initialising = node.initProducerId({
      transactionalId: null,
      transactionTimeout: OPERATION_TIMEOUT_MS,
    });
    return await permitted(initialising, { apiName: 'InitProducerId' }, this.#options);
  }
}

/** Tells whether another attempt may succeed: with a new leader, or over a new connection. */
function isRetriable(error: unknown): boolean {
  const { name, cause, retriable } = error as Error & { readonly retriable?: boolean };
  return name === 'KafkaJSNumberOfRetriesExceeded' ? isRetriable(cause ?? {}) : retriable === true;
}
