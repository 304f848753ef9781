import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer } from 'kafkajs';
import { type ConsumeOptions, type GroupConsumer, TroubleError } from '../../../service-layer/unit-of-work.ts';
import { HEARTBEAT_MS, KafkaAssignment } from './assignment.ts';
import { createClient, disconnect, type KafkaOptions } from './client.ts';

const LEAVE_TIMEOUT_MS = 5_000;
const MAX_BACKOFF_MS = 2_000;
const LOOK_AT_TOPIC_MS = 5_000;
/** More than a member will have partitions: kafkajs starts that many workers. */
const MAX_PARTITIONS = 256;
const SETTINGS = {
  sessionTimeout: 6_000,
  rebalanceTimeout: 30_000,
  heartbeatInterval: HEARTBEAT_MS,
  // The broker answers at once when there is something; this is how late a resumed partition joins the next fetch.
  maxWaitTimeInMs: 200,
  maxBytesPerPartition: 512 * 1024,
  // How late a partition that was added is noticed, and given a lane.
  metadataMaxAge: 5_000,
  allowAutoTopicCreation: false,
  // kafkajs restarts after some crashes and not after others (its 1513, 1721): here each ends its consumer, and a new one is made.
  retry: { restartOnFailure: async () => false },
} as const;

/**
 * One member of a consumer group. Guarantee: it stays one, through rebalances and whatever befalls the broker, until it is closed.
 *
 *   connecting ──▶ joined (one generation after another) ──crash──▶ connecting ─ … ─▶ closed
 *
 * At each generation, before its first fetch: 1. all former owners are told to close; 2. all partitions are paused; 3. each
 * gets a new owner, which resumes it from where it stands. Offsets are never committed here: owners do, in their transactions.
 * A crash of this process: the group gives its partitions to others after the session time-out.
 *
 * kafkajs waits for all deliveries of a fetch before the next one: an owner that cannot take records pauses its partition
 * and returns, or it would hold back the others.
 */
export class KafkaConsumer implements GroupConsumer {
  readonly #kafka: KafkaOptions;
  readonly #options: ConsumeOptions;
  readonly #logId: () => Promise<string>;
  readonly #assignment: KafkaAssignment;
  readonly #closing = new AbortController();
  readonly #joined = Promise.withResolvers<void>();
  readonly #living: Promise<void>;
  #consumer: Consumer | null = null;
  #failures = 0;

  /** @param logId which log the topic is in */
  constructor(kafka: KafkaOptions, options: ConsumeOptions, logId: () => Promise<string>) {
    this.#kafka = kafka;
    this.#options = options;
    this.#logId = logId;
    this.#assignment = new KafkaAssignment(options);
    this.#joined.promise.catch(() => {});
    this.#living = this.#live();
  }

  /** Resolves at the first assignment. @throws {TroubleError} closed before */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  problem(): string | null {
    return null;
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) this.#closing.abort();
    await this.#living;
  }

  async #live(): Promise<void> {
    const { signal } = this.#closing;
    const { promise: closing, resolve } = Promise.withResolvers<null>();
    signal.addEventListener('abort', () => resolve(null), { once: true });
    while (!signal.aborted) {
      const consumer = createClient(this.#kafka).consumer({ ...SETTINGS, groupId: this.#options.group });
      this.#consumer = consumer;
      const crash = await Promise.race([closing, this.#run(consumer)]);
      // Owners that finish what is in hand need the membership until they have: the consumer goes on, with everything paused.
      await this.#assignment.giveUp(consumer);
      this.#consumer = null;
      await disconnect(consumer, LEAVE_TIMEOUT_MS);
      if (crash === null) break;
      this.#failures += 1;
      // Said once, until it is back.
      const level = this.#failures === 1 ? 'warn' : 'debug';
      this.#kafka.log[level](`The consumer of ${this.#options.topic} has lost Kafka, and tries until it is back: ${crash.message}`);
      await sleep(Math.min(100 * 2 ** this.#failures, MAX_BACKOFF_MS), undefined, { signal }).catch(() => {});
    }
    this.#joined.reject(new TroubleError('The consumer was closed before it could join its group'));
  }

  /** @returns why it stopped */
  async #run(consumer: Consumer): Promise<Error> {
    const { topic } = this.#options;
    const { promise: crashed, resolve } = Promise.withResolvers<Error>();
    consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error));
    consumer.on(consumer.events.REBALANCING, () => void this.#assignment.closeOwners());
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.#assign(consumer, payload.memberAssignment[topic] ?? []));
    void this.#recreated(consumer).then(resolve, () => {});
    try {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      if (consumer !== this.#consumer) return new Error('It was closed');
      await consumer.run({
        autoCommit: false,
        partitionsConsumedConcurrently: MAX_PARTITIONS,
        eachBatch: async (payload) => {
          if (consumer !== this.#consumer) return;
          if (this.#assignment.hasGoneBack(payload)) return resolve(this.#isAnother());
          await this.#assignment.deliver(payload);
        },
      });
      return await crashed;
    } catch (error) {
      return error as Error;
    }
  }

  /**
   * Looks, now and then, whether the topic was deleted and created again, and has grown since beyond where the owners stand: what comes
   * shows nothing then. Resolves when it was: then they are opened anew, and see for themselves. Or when the consumer is another.
   */
  async #recreated(consumer: Consumer): Promise<Error> {
    const known = new Set<string>();
    while (known.size < 2 && consumer === this.#consumer) {
      // Whatever keeps it from looking is noticed elsewhere.
      await this.#logId().then(
        (id) => known.add(id),
        () => {},
      );
      await sleep(LOOK_AT_TOPIC_MS, undefined, { signal: this.#closing.signal });
    }
    return this.#isAnother();
  }

  #isAnother(): TroubleError {
    return new TroubleError(`${this.#options.topic} was deleted and created again`);
  }

  #assign(consumer: Consumer, partitions: readonly number[]): void {
    // One that was told to disconnect while it was joining joins all the same, and would keep its partitions.
    if (consumer !== this.#consumer) return void setImmediate(() => disconnect(consumer));
    // It leaves in a moment, when its owners have finished.
    if (this.#closing.signal.aborted) return void this.#assignment.closeOwners();
    this.#assignment.assign(consumer, partitions);
    if (this.#failures > 0) this.#kafka.log.info(`The consumer of ${this.#options.topic} is back`);
    this.#failures = 0;
    this.#joined.resolve();
  }
}
