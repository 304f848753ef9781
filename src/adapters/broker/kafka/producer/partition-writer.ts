import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import { type BrokerNode, type Cluster, errorOf } from '../kafkajs-internals.ts';
import { type BatchEncoder, sequenceAfter } from '../records/record-batch.ts';
import { ERROR } from '../requests/error-codes.ts';
import { permitted } from '../security/permissions.ts';
import { leadersOf, partitionKey, topicsOf } from './leaders.ts';
import { type BatchAnswer, produce } from './producer-requests.ts';

/** How long the writer waits before another attempt. It then reads the metadata first. */
const RETRY_MS = 100;

/** What the leaders know a producer by. */
export interface WriterIdentity {
  readonly producerId: string;
  readonly producerEpoch: number;
  /** The id under which the batches are part of a transaction, or null outside transactions. */
  readonly transactionalId: string | null;
}

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
interface WrittenBatch extends NumberedBatch {
  readonly baseOffset: number;
}

/** A batch that no leader has confirmed. It may be in the log. */
interface LeftBatch {
  readonly batch: NumberedBatch;
  readonly reason: Error;
}

/**
 * Writes the batches of one producer to their partitions.
 *
 * Guarantee: when `write` resolves, each batch is in the log once. When `write` rejects, each batch
 * is in the log at most once, and the caller must not use this writer again.
 *
 * Each partition has at most one batch under way. The writer sends the same bytes to the
 * partition's current leader until a leader confirms them, so it follows a leader that moves. A
 * leader drops a sequence that it has.
 *
 * kafkajs's own producer remembers which nodes have answered instead of which partitions. If a
 * leader moves during a send, that producer reports unsent records as sent, and sends others twice.
 */
export class PartitionWriter {
  readonly #cluster: Cluster;
  readonly #options: KafkaOptions;
  readonly #timeoutMs: number;
  readonly #identify: () => Promise<WriterIdentity>;
  readonly #sequences = new Map<string, number>();
  #identity: WriterIdentity | null = null;
  #isClosed = false;

  /**
   * @param parts.identify finds the identity; called again only if it fails with a passing error
   * @param parts.timeoutMs how long one `write` may try, and how long a leader may take to answer
   */
  constructor(parts: {
    readonly cluster: Cluster;
    readonly options: KafkaOptions;
    readonly timeoutMs: number;
    readonly identify: () => Promise<WriterIdentity>;
  }) {
    this.#cluster = parts.cluster;
    this.#options = parts.options;
    this.#timeoutMs = parts.timeoutMs;
    this.#identify = parts.identify;
  }

  /**
   * Writes the batches, those of each partition in the order given.
   * @returns the batches with their places in the log; each partition's in the order given
   * @throws {Error} a leader refuses a batch for good, or the time is over
   */
  async write(batches: readonly BatchEncoder[]): Promise<readonly WrittenBatch[]> {
    const giveUpAt = Date.now() + this.#timeoutMs;
    const written: WrittenBatch[] = [];
    for (let waiting = [...batches]; waiting.length > 0; ) {
      const round = new Map<string, BatchEncoder>();
      for (const batch of waiting)
        if (!round.has(partitionKey(batch))) round.set(partitionKey(batch), batch);
      waiting = waiting.filter((batch) => round.get(partitionKey(batch)) !== batch);
      written.push(...(await this.#writeRound([...round.values()], giveUpAt)));
    }
    return written;
  }

  /** Stops the attempts of a `write` that nobody waits for any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Writes one batch to each of several partitions. Tries until all leaders have confirmed. */
  async #writeRound(
    batches: readonly BatchEncoder[],
    giveUpAt: number,
  ): Promise<readonly WrittenBatch[]> {
    const written: WrittenBatch[] = [];
    let waiting: readonly NumberedBatch[] | null = null;
    for (;;) {
      this.#refuseClosed();
      try {
        this.#identity ??= await this.#identify();
        waiting ??= this.#number(batches, this.#identity);
        const outcomes = await this.#attempt(waiting, this.#identity);
        written.push(...outcomes.filter((each) => 'baseOffset' in each));
        const left = outcomes.filter((each) => 'reason' in each);
        waiting = left.map(({ batch }) => batch);
        const worst = left.find(({ reason }) => !isRetriable(reason)) ?? left[0];
        if (!worst) return written;
        return await this.#refuse(worst);
      } catch (error) {
        if (!isRetriable(error) || Date.now() > giveUpAt) throw error;
      }
      await sleep(RETRY_MS);
      this.#refuseClosed();
      await this.#cluster.refreshMetadata().catch(() => {});
    }
  }

  async #attempt(
    waiting: readonly NumberedBatch[],
    identity: WriterIdentity,
  ): Promise<readonly (WrittenBatch | LeftBatch)[]> {
    const leaders = await leadersOf(this.#cluster, topicsOf(waiting));
    const byLeader = Map.groupBy(waiting, ({ key }) => leaders.get(key));
    const outcomes = [...byLeader].map(([leader, batches]) =>
      this.#sendTo(leader, batches, identity).catch((reason: Error) =>
        batches.map((batch) => ({ batch, reason })),
      ),
    );
    return (await Promise.all(outcomes)).flat();
  }

  async #sendTo(
    leader: BrokerNode | undefined,
    batches: readonly NumberedBatch[],
    { transactionalId }: WriterIdentity,
  ): Promise<readonly (WrittenBatch | LeftBatch)[]> {
    if (!leader) throw errorOf(ERROR.LEADER_NOT_AVAILABLE);
    const answers = await produce(leader, transactionalId, batches, this.#timeoutMs);
    const byPartition = new Map(answers.map((answer) => [partitionKey(answer), answer]));
    return batches.map((batch) => {
      const { errorCode, baseOffset } = byPartition.get(batch.key) as BatchAnswer;
      const reason = errorOf(errorCode);
      return reason ? { batch, reason } : { ...batch, baseOffset };
    });
  }

  /** Fails with the reason for which the batch is left. */
  #refuse({ batch, reason }: LeftBatch): Promise<never> {
    const transactionalId = this.#identity?.transactionalId;
    const subject = {
      apiName: 'Produce',
      topics: [batch.topic],
      ...(transactionalId && { transactionalId }),
    };
    return permitted(Promise.reject(reason), subject, this.#options);
  }

  /** Encodes the batches with the next sequences of their partitions. */
  #number(batches: readonly BatchEncoder[], identity: WriterIdentity): readonly NumberedBatch[] {
    const { producerId, producerEpoch, transactionalId } = identity;
    return batches.map((batch) => {
      const { topic, partition, count } = batch;
      const key = partitionKey(batch);
      const firstSequence = this.#sequences.get(key) ?? 0;
      this.#sequences.set(key, sequenceAfter(firstSequence, count));
      const producer = {
        producerId: BigInt(producerId),
        producerEpoch,
        firstSequence,
        isTransactional: transactionalId !== null,
      };
      return { key, topic, partition, count, bytes: batch.encode(producer, Date.now()) };
    });
  }

  /**
   * Stops an attempt of a closed writer, because kafkajs would connect again.
   * @throws {TroubleError} this writer is closed
   */
  #refuseClosed(): void {
    if (this.#isClosed) throw new TroubleError('The producer is closed');
  }
}

/** Tells whether another attempt may succeed: with a new leader, or over a new connection. */
function isRetriable(error: unknown): boolean {
  const { name, cause, retriable } = error as Error & { readonly retriable?: boolean };
  return name === 'KafkaJSNumberOfRetriesExceeded' ? isRetriable(cause ?? {}) : retriable === true;
}
