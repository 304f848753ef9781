import { setTimeout as sleep } from 'node:timers/promises';
import { type Delivery, type OffsetRange, type ReceivedRecord, TroubleError } from '../../../service-layer/unit-of-work.ts';
import { asServiceError, disconnect, OPERATION_TIMEOUT_MS, withDeadline } from './client.ts';
import { type BrokerNode, type Cluster, type FetchedMessage, READ_COMMITTED } from './protocol.ts';
import { decode } from './records.ts';

const RETRY_MS = 200;
/** A broker that is started anew, or a new leader, is there by then. */
const AWAY_TIMEOUT_MS = 30_000;
/** Kafka itself ends a transaction of the service's after 60 seconds, and looks for such every 10. */
const OPEN_TRANSACTION_TIMEOUT_MS = 90_000;
/** An answer may be empty now and then although there is more: a tier of slow storage did not answer in time. */
const NOTHING_LEFT_AFTER_MS = 5_000;
const FETCH_WAIT_MS = 500;
const FETCH_BYTES = 1024 * 1024;

/**
 * Reads ranges of a topic, one partition after the other, by single fetches through a connection of its own.
 *
 * Guarantee: each committed record once, in order, whatever befalls the broker meanwhile. Where it stands is known here alone; after any
 * error the same is asked for again, through a new connection, of whoever leads the partition by then.
 */
export class KafkaReader {
  readonly #connection: () => Cluster;
  readonly #topic: string;
  readonly #signal: AbortSignal;
  #cluster: Cluster | null = null;

  /**
   * @param connection makes one that is not yet open
   * @param signal aborts when nothing more is wanted
   */
  constructor(connection: () => Cluster, topic: string, signal: AbortSignal) {
    this.#connection = connection;
    this.#topic = topic;
    this.#signal = signal;
  }

  async *deliveries(ranges: readonly OffsetRange[]): AsyncGenerator<Delivery, void> {
    try {
      for (const range of ranges) if (range.beginning < range.end) yield* this.#within(range);
    } finally {
      await this.#disconnect();
    }
  }

  async *#within({ partition, beginning, end }: OffsetRange): AsyncGenerator<Delivery, void> {
    let from = Math.max(beginning, await this.#beginningOf(partition));
    if (from >= end) yield { partition, records: [], nextOffset: end }; // All of it is gone.
    while (from < end) {
      const delivery = await this.#next(partition, from, end);
      from = delivery.nextOffset;
      yield delivery;
    }
  }

  async #beginningOf(partition: number): Promise<number> {
    const { topic, place } = this.#placeOf(partition);
    return await this.#insist(`Reading the beginning of ${place}`, async (cluster) => {
      const [found] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning: true }]);
      const [beginning] = found?.partitions ?? [];
      if (!beginning) throw new TroubleError(`${place} is not there`);
      return Number(beginning.offset);
    });
  }

  /** The answer is empty where a transaction is open, which holds back all that comes after it, and where nothing is left. */
  async #next(partition: number, from: number, end: number): Promise<Delivery> {
    const { place } = this.#placeOf(partition);
    const askedAtMs = Date.now();
    for (;;) {
      const answer = await this.#insist(`Reading ${place} from offset ${from} on`, (cluster) => this.#fetch(cluster, partition, from));
      const stableOffset = Number(answer?.lastStableOffset);
      if (answer && answer.messages.length > 0) return deliveryOf(this.#topic, partition, answer.messages, from, end);
      const waitedMs = Date.now() - askedAtMs;
      if (stableOffset >= end && waitedMs > NOTHING_LEFT_AFTER_MS) return { partition, records: [], nextOffset: end };
      if (waitedMs > OPEN_TRANSACTION_TIMEOUT_MS)
        throw new TroubleError(
          `${place} can be read up to offset ${from} only, not to ${end}: a transaction there does not end, or there is nothing`,
        );
    }
  }

  async #fetch(cluster: Cluster, partition: number, fetchOffset: number) {
    const { topic } = this.#placeOf(partition);
    const { responses } = await (await this.#leaderOf(cluster, partition)).fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions: [{ partition, fetchOffset, maxBytes: FETCH_BYTES }] }],
    });
    return responses[0]?.partitions[0];
  }

  async #leaderOf(cluster: Cluster, partition: number): Promise<BrokerNode> {
    const { topic, place } = this.#placeOf(partition);
    const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    if (nodeId === undefined) throw new TroubleError(`${place} is not there`);
    return await cluster.findBroker({ nodeId });
  }

  #placeOf(partition: number) {
    return { topic: this.#topic, place: `${this.#topic}/${partition}` };
  }

  /** Asks until there is an answer, for some time, and each time through a new connection. */
  async #insist<T>(doing: string, question: (cluster: Cluster) => Promise<T>): Promise<T> {
    const giveUpAtMs = Date.now() + AWAY_TIMEOUT_MS;
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await withDeadline(this.#connected().then(question), OPERATION_TIMEOUT_MS, doing);
      } catch (error) {
        void this.#disconnect();
        if (Date.now() > giveUpAtMs) throw asServiceError(error, doing);
        await sleep(RETRY_MS);
      }
    }
  }

  async #connected(): Promise<Cluster> {
    if (this.#cluster) return this.#cluster;
    const cluster = this.#connection();
    this.#cluster = cluster;
    await cluster.connect();
    await cluster.addMultipleTargetTopics([this.#topic]);
    return cluster;
  }

  async #disconnect(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = null;
    if (cluster) await disconnect(cluster);
  }
}

/** What lies within the range. A batch may begin before it, or end after it, and its last records may be gone. */
function deliveryOf(topic: string, partition: number, messages: readonly FetchedMessage[], from: number, end: number): Delivery {
  const records: ReceivedRecord[] = [];
  for (const message of messages) {
    if (message.isControlRecord) continue;
    const record = decode(topic, partition, message);
    if (record.offset >= from && record.offset < end) records.push(record);
  }
  const { firstOffset, lastOffsetDelta } = (messages.at(-1) as FetchedMessage).batchContext;
  return { partition, records, nextOffset: Math.min(Number(firstOffset) + lastOffsetDelta + 1, end) };
}
