import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../../service-layer/errors.ts';
import { type KafkaOptions, withDeadline } from '../client.ts';
import { type BrokerNode, type Cluster, errorOf } from '../kafkajs-internals.ts';
import { type BatchEncoder, sequenceAfter } from '../records/record-batch.ts';
import { ERROR } from '../requests/error-codes.ts';
import { permitted } from '../security/permissions.ts';
import { leadersOf, partitionKey, topicsOf } from './leaders.ts';
import { type BatchAnswer, produce } from './producer-requests.ts';

/** How long the writer waits before another attempt. It then reads the metadata first. */
const RETRY_MS = 100;
/** How long the metadata may take. Another attempt may succeed with the leaders that are known. */
const REFRESH_TIMEOUT_MS = 2_000;

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

/** What a leader answered about batches. */
interface Outcome {
  readonly written: readonly WrittenBatch[];
  /** The batches that the leader has not confirmed. They may be in the log. */
  readonly left: readonly NumberedBatch[];
  /** Why batches are left: an error that is final, if there is one. */
  readonly reason: Error | null;
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
   * @param parts.timeoutMs how long one `write` begins attempts, and how long one attempt may take
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
   * Writes the batches, those of each partition in the order given. Calls must not overlap.
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

  /** Writes one batch to each of several partitions. */
  async #writeRound(
    batches: readonly BatchEncoder[],
    giveUpAt: number,
  ): Promise<readonly WrittenBatch[]> {
    while (!this.#identity) {
      this.#refuseClosed();
      try {
        this.#identity = await this.#identify();
      } catch (error) {
        await this.#pause(error as Error, giveUpAt);
      }
    }
    return await this.#insist(this.#number(batches, this.#identity), this.#identity, giveUpAt);
  }

  /**
   * Tries until all leaders have confirmed. No batch waits for the leader of another: an answer may
   * take a leader as long as the whole `write` may take.
   */
  async #insist(
    batches: readonly NumberedBatch[],
    identity: WriterIdentity,
    giveUpAt: number,
  ): Promise<readonly WrittenBatch[]> {
    this.#refuseClosed();
    const again = async (left: readonly NumberedBatch[], reason: Error) => {
      await this.#pause(reason, giveUpAt);
      return await this.#insist(left, identity, giveUpAt);
    };
    let leaders: Awaited<ReturnType<typeof leadersOf>>;
    try {
      leaders = await leadersOf(this.#cluster, topicsOf(batches));
    } catch (error) {
      return await again(batches, error as Error);
    }
    this.#refuseClosed();
    const byLeader = Map.groupBy(batches, ({ key }) => leaders.get(key));
    const writing = [...byLeader].map(async ([leader, ofLeader]) => {
      const { written, left, reason } = await this.#sendTo(leader, ofLeader, identity);
      return reason ? [...written, ...(await again(left, reason))] : written;
    });
    return (await Promise.all(writing)).flat();
  }

  async #sendTo(
    leader: BrokerNode | undefined,
    batches: readonly NumberedBatch[],
    { transactionalId }: WriterIdentity,
  ): Promise<Outcome> {
    if (!leader) return { written: [], left: batches, reason: errorOf(ERROR.LEADER_NOT_AVAILABLE) };
    let answers: readonly BatchAnswer[];
    try {
      answers = await produce(leader, transactionalId, batches, this.#timeoutMs);
    } catch (error) {
      return { written: [], left: batches, reason: error as Error };
    }
    const byPartition = new Map(answers.map((answer) => [partitionKey(answer), answer]));
    const written: WrittenBatch[] = [];
    const left: NumberedBatch[] = [];
    let reason: Error | null = null;
    for (const batch of batches) {
      const { errorCode, baseOffset } = byPartition.get(batch.key) as BatchAnswer;
      const error = errorOf(errorCode);
      if (!error) {
        written.push({ ...batch, baseOffset });
        continue;
      }
      left.push(batch);
      if (!reason || isRetriable(reason))
        reason = await this.#explain(error, batch, transactionalId);
    }
    return { written, left, reason };
  }

  /** Names the permission that is missing, if the error means that. */
  async #explain(
    error: Error,
    { topic }: NumberedBatch,
    transactionalId: string | null,
  ): Promise<Error> {
    const subject = {
      apiName: 'Produce',
      topics: [topic],
      ...(transactionalId && { transactionalId }),
    };
    return await permitted(Promise.reject(error), subject, this.#options).catch(
      (explained: Error) => explained,
    );
  }

  /** Waits before another attempt. @throws {Error} the reason, if it is final or time is over */
  async #pause(reason: Error, giveUpAt: number): Promise<void> {
    if (!isRetriable(reason) || Date.now() > giveUpAt) throw reason;
    await sleep(RETRY_MS);
    this.#refuseClosed();
    const refreshing = this.#cluster.refreshMetadata();
    await withDeadline(refreshing, REFRESH_TIMEOUT_MS, 'Reading the metadata').catch(() => {});
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
