import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../../service-layer/errors.ts';
import { disconnect, type KafkaOptions, OPERATION_TIMEOUT_MS } from '../client.ts';
import type { PlacedRecord } from '../records/partition-records.ts';
import { type BatchEncoder, batchesOf, sequenceAfter } from '../records/record-batch.ts';
import type { DepartedNodes } from './departed-nodes.ts';
import { leadersOf, placeOf, topicsOf } from './leaders.ts';
import { appendTo, type BrokerNode, type Cluster, errorOf } from './producer-requests.ts';

/** Each attempt reads the metadata anew, so that this many go by while leaders are elected. */
const RETRY_MS = 100;
const CONNECT_RETRIES = 1;

/** A batch with its number among those of its partition: the broker knows one that comes again by it. */
interface Numbered {
  readonly place: string;
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
  readonly bytes: Buffer;
}

interface Appended extends Numbered {
  readonly baseOffset: number;
}

interface Attempt {
  readonly taken: readonly Appended[];
  /** No leader has answered for these: they may be in the log, or not. */
  readonly left: readonly Numbered[];
}

/**
 * An idempotent producer without transactions. Guarantee: when `append` resolves, each record is in
 * the log once; when it rejects, each is there at most once, and this appender must not be used again.
 *
 * A partition has one batch under way. Until its leader has answered, the very same bytes are sent
 * again, to the partition's leader of that moment. A leader drops a sequence that it has already.
 *
 * Not kafkajs's producer: it remembers which nodes have answered, not which partitions. Where a
 * leader moves during a send, it reports records as sent that it never sent, and sends others twice.
 */
export class IdempotentAppender {
  readonly #cluster: Cluster;
  readonly #departed: DepartedNodes;
  readonly #sequences = new Map<string, number>();
  #identity: Promise<{ readonly producerId: string; readonly producerEpoch: number }> | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions, departed: DepartedNodes) {
    this.#cluster = departed.createCluster(options, CONNECT_RETRIES, OPERATION_TIMEOUT_MS);
    this.#departed = departed;
  }

  /** @returns the place of each record, in the order given */
  async append(
    records: readonly PlacedRecord[],
  ): Promise<readonly { readonly partition: number; readonly offset: number }[]> {
    const batches = await batchesOf(records);
    const offsets = new Map<string, number[]>();
    for (let waiting = [...batches]; waiting.length > 0; ) {
      const round = new Map<string, BatchEncoder>();
      for (const batch of waiting) if (!round.has(placeOf(batch))) round.set(placeOf(batch), batch);
      waiting = waiting.filter((batch) => round.get(placeOf(batch)) !== batch);
      for (const { place, baseOffset, count } of await this.#appendRound([...round.values()])) {
        const known = offsets.get(place) ?? [];
        offsets.set(place, known);
        for (let index = 0; index < count; index += 1) known.push(baseOffset + index);
      }
    }
    const taken = new Map<string, number>();
    return records.map(({ record: { topic }, partition }) => {
      const place = placeOf({ topic, partition });
      const index = taken.get(place) ?? 0;
      taken.set(place, index + 1);
      return { partition, offset: offsets.get(place)?.[index] as number };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#departed.forget(this.#cluster);
    await disconnect(this.#cluster);
  }

  /** Appends one batch to each of several partitions, and tries until all leaders have taken theirs. */
  async #appendRound(batches: readonly BatchEncoder[]): Promise<readonly Appended[]> {
    const done: Appended[] = [];
    let waiting = await this.#insist(() => this.#numbered(batches));
    for (;;) {
      const { taken, left } = await this.#insist(() => this.#attempt(waiting));
      done.push(...taken);
      if (left.length === 0) return done;
      waiting = left;
      await this.#pause();
    }
  }

  async #attempt(waiting: readonly Numbered[]): Promise<Attempt> {
    const leaders = await leadersOf(this.#cluster, topicsOf(waiting));
    const byLeader = Map.groupBy(waiting, ({ place }) => leaders.get(place));
    const attempts = await Promise.all(
      [...byLeader].map(([leader, ofLeader]) => this.#sendTo(leader, ofLeader)),
    );
    return {
      taken: attempts.flatMap(({ taken }) => taken),
      left: attempts.flatMap(({ left }) => left),
    };
  }

  async #sendTo(leader: BrokerNode | undefined, batches: readonly Numbered[]): Promise<Attempt> {
    if (!leader) return { taken: [], left: batches };
    const answers = await appendTo(leader, batches, OPERATION_TIMEOUT_MS).catch(
      (error: unknown) => {
        if (isRetriable(error)) return [];
        throw error;
      },
    );
    const byPlace = new Map(answers.map((answer) => [placeOf(answer), answer]));
    const taken: Appended[] = [];
    const left: Numbered[] = [];
    for (const batch of batches) {
      const answer = byPlace.get(batch.place);
      const error = answer && errorOf(answer.errorCode);
      if (error && !isRetriable(error)) throw error;
      if (answer && !error) taken.push({ ...batch, baseOffset: answer.baseOffset });
      else left.push(batch);
    }
    return { taken, left };
  }

  /** Does it again until it works; the caller's deadline closes this appender. */
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

  /** Without it, kafkajs would connect again. @throws {TroubleError} this appender was closed */
  #refuseClosed(): void {
    if (this.#isClosed) throw new TroubleError('The producer is closed');
  }

  async #pause(): Promise<void> {
    await sleep(RETRY_MS);
    this.#refuseClosed();
    await this.#cluster.refreshMetadata().catch(() => {});
  }

  async #numbered(batches: readonly BatchEncoder[]): Promise<readonly Numbered[]> {
    const { producerId, producerEpoch } = await this.#identified();
    return batches.map((batch) => {
      const { topic, partition, count } = batch;
      const place = placeOf(batch);
      const firstSequence = this.#sequences.get(place) ?? 0;
      this.#sequences.set(place, sequenceAfter(firstSequence, count));
      const writer = {
        producerId: BigInt(producerId),
        producerEpoch,
        firstSequence,
        isTransactional: false,
      };
      return { place, topic, partition, count, bytes: batch.encode(writer, Date.now()) };
    });
  }

  async #identified() {
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
    return await node.initProducerId({
      transactionalId: null,
      transactionTimeout: OPERATION_TIMEOUT_MS,
    });
  }
}

/** Whether the next attempt may succeed: kafkajs marks what a new leader or a new connection may mend. */
function isRetriable(error: unknown): boolean {
  const { name, cause, retriable } = error as Error & { readonly retriable?: boolean };
  return name === 'KafkaJSNumberOfRetriesExceeded' ? isRetriable(cause ?? {}) : retriable === true;
}
