import { setTimeout as sleep } from 'node:timers/promises';
import { Partitioners, type Producer, type Transaction } from 'kafkajs';
import { type GroupPosition, type OutgoingRecord, type TransactionalProducer, TroubleError } from '../../service-layer/unit-of-work.ts';
import { asServiceError, createClient, disconnect, isAnswer, type KafkaOptions, withDeadline } from './kafka-client.ts';
import type { TopicLayouts } from './kafka-layout.ts';
import { type PlacedRecord, sends, topicMessages } from './kafka-records.ts';

const OPEN_TIMEOUT_MS = 30_000;
const PUBLISH_TIMEOUT_MS = 60_000;
const TRANSACTION_TIMEOUT_MS = 60_000;
const CONCURRENT_TIMEOUT_MS = 10_000;

/**
 * Guarantee: what one `publish` writes, records and position, becomes visible at once or never.
 *
 * 1. Begin (local), then the group's position, then the records, in order, in as many sends as their bytes need.
 * 2. Commit.
 *
 * A crash, or any error, before the broker has taken the commit: nothing becomes visible; the broker aborts when the next holder
 * of the transactional id opens (or after the transaction time-out). After it: all of it does. Which of the two it was, the
 * answer to the next holder's opening tells: the group's position is settled by then.
 *
 * kafkajs may not retry a send by itself (`retries: 0`): it rolls its sequence back on an ambiguous error, and sends what one
 * broker has taken again to another when the leader moves meanwhile. Whatever fails ends this producer.
 */
export class KafkaTransactionalProducer implements TransactionalProducer {
  readonly #producer: Producer;
  readonly #layouts: TopicLayouts;
  readonly #name: string;
  #begun: Transaction | null;
  #closed: Promise<void> | null = null;

  private constructor(producer: Producer, begun: Transaction, layouts: TopicLayouts, name: string) {
    this.#producer = producer;
    this.#begun = begun;
    this.#layouts = layouts;
    this.#name = name;
  }

  /** Tries until the broker has settled the former holder's transaction. @throws {TroubleError} within 30 seconds or so */
  static async open(options: KafkaOptions, transactionalId: string, layouts: TopicLayouts): Promise<KafkaTransactionalProducer> {
    const doing = `Opening the producer ${transactionalId}`;
    const producer = createClient(options).producer({
      transactionalId,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 0 },
    });
    try {
      // The first transaction initialises the producer; beginning it is local.
      const begin = async () => {
        await producer.connect();
        return await producer.transaction();
      };
      const begun = await withDeadline(begin(), OPEN_TIMEOUT_MS, doing);
      return new KafkaTransactionalProducer(producer, begun, layouts, transactionalId);
    } catch (error) {
      void disconnect(producer);
      throw asServiceError(error, doing);
    }
  }

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    if (this.#closed) throw new TroubleError(`The producer ${this.#name} is closed`);
    const doing = `Publishing with ${this.#name}`;
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
    if (records.length === 0 && !position) return;
    const transaction = this.#begun ?? (await this.#producer.transaction());
    this.#begun = null;
    const send = (part: readonly PlacedRecord[]) => transaction.sendBatch({ acks: -1, topicMessages: topicMessages(part) });
    // What comes first meets the end of the transaction before, and waits for it: it must be something that has no effect when refused.
    if (position) await pastFormerTransaction(() => transaction.sendOffsets(asOffsets(position)));
    else await pastFormerTransaction(() => send(records.slice(0, 1)));
    for (const part of sends(position ? records : records.slice(1))) await send(part);
    await transaction.commit();
  }

  /** Never aborts: an aborted transaction is the next holder's to settle. */
  close(): Promise<void> {
    this.#closed ??= disconnect(this.#producer);
    return this.#closed;
  }
}

function asOffsets({ group, topic, partition, nextOffset }: GroupPosition) {
  return { consumerGroupId: group, topics: [{ topic, partitions: [{ partition, offset: String(nextOffset) }] }] };
}

/** The broker ends a transaction a few milliseconds after it has answered the commit, and begins no other before. */
async function pastFormerTransaction(first: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + CONCURRENT_TIMEOUT_MS;
  for (let waitMs = 1; ; waitMs = Math.min(2 * waitMs, 50)) {
    try {
      await first();
      return;
    } catch (error) {
      if (!isAnswer(error, 'CONCURRENT_TRANSACTIONS') || Date.now() > deadline) throw error;
      await sleep(waitMs);
    }
  }
}
