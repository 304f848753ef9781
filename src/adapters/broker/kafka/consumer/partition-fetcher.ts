import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AssignedPartition,
  ConsumeOptions,
  KnownLog,
  Membership,
  PartitionOwner,
} from '../../../../service-layer/consumer-group.ts';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { countBrokerError } from '../error-counts.ts';
import { LeaderConnection } from '../leader-connection.ts';
import { MAX_PIECE_BYTES, readFetched } from '../records/fetched-records.ts';
import { ERROR, errorName } from '../requests/error-codes.ts';
import type { Exchange } from '../requests/exchange.ts';
import { fetchRecords, listOffset } from '../requests/fetch-request.ts';
import { endOfEpoch } from '../requests/offset-requests.ts';
import { topicIdIn } from '../requests/topic-id.ts';
import { AccessDeniedError } from '../security/permissions.ts';

/** How long a leader may wait for the first record before it answers. */
const LONG_POLL_MS = 500;
const MAX_BYTES = 512 * 1024;
/** How long the fetcher waits before its owner must find its position again. */
const OUT_OF_RANGE_MS = 500;
const RETRY_MS = { least: 50, most: 500 };
/** How long fetching may fail before that is a problem. Kafka elects a leader in less time. */
const PATIENCE_MS = 30_000;

/** What a fetcher needs from the consumer or tail that it fetches for. */
interface FetcherContext {
  readonly options: KafkaOptions;
  readonly view: ClusterView;
  readonly topic: string;
  readonly openOwner: ConsumeOptions['openOwner'];
  readonly membership: () => Membership | null;
  /** The most bytes of records in a delivery. A single record may be larger. */
  readonly maxDeliveryBytes: () => number;
  /** A placeholder replaces a larger record. */
  readonly maxRecordBytes: number;
  readonly onGivenBack: () => void;
  readonly onResumed: () => void;
  /**
   * Called when the owner's next records are no longer in the log: retention has deleted them, or
   * the log was truncated. Nothing is delivered until the next `resumeFrom`.
   * @param beginning the first offset in the log
   */
  readonly onOutOfRange: (beginning: number) => void;
}

/**
 * Fetches one partition's records from its leader and hands them to the owner, one delivery at a
 * time, until it is closed.
 *
 *   paused ──resumeFrom──▶ fetching ──records──▶ handing over ──▶ fetching
 *      ▲                                                              │
 *      └──────────────────────────── pause ──────────────────────────┘
 *
 * Each partition has a connection of its own, because a node answers a connection's requests in
 * turn. A quiet partition that waits for records would hold up a busy one on a shared connection.
 */
export class PartitionFetcher implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #context: FetcherContext;
  readonly #leader: LeaderConnection;
  readonly #closing = new AbortController();
  readonly #owner: PartitionOwner;
  #nextOffset: number | null = null;
  /**
   * Changes with each `pause` and `resumeFrom`, so that records of an earlier fetch are dropped.
   */
  #resumption = 0;
  #resumed = Promise.withResolvers<void>();
  /** The leader epoch of the record before `#nextOffset`; null if it is not known. */
  #lastEpoch: number | null = null;
  /** The topic's id in the log that the owner reads; null: it reads whatever has the name. */
  #topicId: string | null = null;
  #failures = 0;
  #failingSinceMs = 0;
  #problem: string | null = null;

  constructor(partition: number, context: FetcherContext) {
    this.topic = context.topic;
    this.partition = partition;
    this.#context = context;
    this.#leader = new LeaderConnection(context.options, context.view, this.topic, partition);
    this.#owner = context.openOwner(this);
    void this.#run();
  }

  /**
   * Says which permission the client lacks, or why it has fetched nothing for 30 s. Null: it
   * fetches, is paused, or may fetch soon.
   */
  get problem(): string | null {
    return this.#problem;
  }

  membership(): Membership | null {
    return this.#context.membership();
  }

  giveBack(): void {
    if (!this.#closing.signal.aborted) this.#context.onGivenBack();
  }

  pause(): void {
    this.#resumption += 1;
    this.#nextOffset = null;
    this.#failures = 0;
    this.#problem = null;
  }

  resumeFrom(offset: number, { logId, leaderEpoch }: KnownLog = {}): void {
    if (this.#closing.signal.aborted) return;
    this.#resumption += 1;
    this.#nextOffset = offset;
    this.#lastEpoch = leaderEpoch ?? null;
    this.#topicId = logId === undefined ? null : topicIdIn(logId);
    this.#resumed.resolve();
    this.#resumed = Promise.withResolvers();
    this.#context.onResumed();
  }

  /** Resolves when the owner has finished. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#resumed.resolve();
    this.#leader.close();
    await this.#owner.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const offset = this.#nextOffset;
      if (offset === null) await this.#resumed.promise;
      else await this.#deliverFrom(offset).catch((error: Error) => this.#afterTrouble(error));
    }
  }

  async #deliverFrom(offset: number): Promise<void> {
    const resumption = this.#resumption;
    const maxDeliveryBytes = this.#context.maxDeliveryBytes();
    const maxBytes = Math.min(MAX_BYTES, maxDeliveryBytes);
    const { topic, partition } = this;
    const topicId = this.#topicId ?? (await this.#context.view.topicIdOf(topic));
    const answer = await this.#askLeader(
      fetchRecords({ topic, topicId, partition }, offset, { waitMs: LONG_POLL_MS, maxBytes }),
      LONG_POLL_MS,
    );
    if (answer.errorCode === ERROR.OFFSET_OUT_OF_RANGE) return await this.#reportGap(offset);
    const { records, nextOffset, epochs } = readFetched(
      this.topic,
      this.partition,
      answer.bytes,
      answer.aborted,
      {
        from: offset,
        maxPieceBytes: Math.min(MAX_PIECE_BYTES, maxDeliveryBytes),
        maxRecordBytes: this.#context.maxRecordBytes,
      },
    );
    const isStale = () => resumption !== this.#resumption || this.#closing.signal.aborted;
    if (nextOffset === null) return this.#noteSuccess();
    if (isStale()) return;
    const wanted =
      records[0] && records[0].offset < offset
        ? records.filter((record) => record.offset >= offset)
        : records;
    const continues = await this.#continues(epochs[0] ?? 0, offset);
    if (isStale()) return;
    this.#noteSuccess();
    if (!continues) return await this.#reportGap(offset);
    this.#nextOffset = nextOffset;
    this.#lastEpoch = epochs.at(-1) ?? null;
    if (wanted.length > 0) await this.#owner.handle(wanted);
  }

  /**
   * Tells whether the records continue the log that was read before. The leader after an unclean
   * election may have lost the end of the log, and have given its offsets to other records. A
   * second unclean election may leave records of an earlier epoch that reach the same offset.
   *
   * Source: Apache Kafka, KIP-320, and how Partition.readRecords finds a diverging epoch.
   */
  async #continues(epoch: number, offset: number): Promise<boolean> {
    const lastEpoch = this.#lastEpoch;
    if (lastEpoch === null || epoch === lastEpoch) return true;
    const end = await this.#askLeader(endOfEpoch(this.topic, this.partition, lastEpoch), 0);
    return end.offset < 0 || (end.leaderEpoch >= lastEpoch && end.offset >= offset);
  }

  /**
   * Asks the leader.
   * @throws {TroubleError} the leader answers with an error
   */
  async #askLeader<T extends { readonly errorCode: number }>(
    question: Exchange<T>,
    waitMs: number,
  ): Promise<T> {
    const answer = await this.#leader.ask(question, waitMs);
    if (answer.errorCode === ERROR.NONE || answer.errorCode === ERROR.OFFSET_OUT_OF_RANGE)
      return answer;
    countBrokerError(errorName(answer.errorCode));
    throw new TroubleError(`the leader answers ${errorName(answer.errorCode)}`);
  }

  /**
   * Reports that the log does not continue at this offset. The owner must find its position again.
   */
  async #reportGap(offset: number): Promise<void> {
    const beginning = await this.#askLeader(listOffset(this.topic, this.partition, 'beginning'), 0);
    // The owner may have resumed from another offset meanwhile.
    if (this.#nextOffset !== offset) return;
    this.pause();
    await sleep(OUT_OF_RANGE_MS, undefined, { signal: this.#closing.signal }).catch(() => {});
    if (!this.#closing.signal.aborted) this.#context.onOutOfRange(beginning.offset);
  }

  async #afterTrouble(error: Error): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#leader.drop();
    this.#noteFailure(error);
    await sleep(
      Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** Math.min(this.#failures - 1, 4)),
      undefined,
      { signal },
    ).catch(() => {});
  }

  /** Warns once about a problem. Logs other failures for debugging. */
  #noteFailure(error: Error): void {
    const nowMs = performance.now();
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    this.#failures += 1;
    const what = `Fetching ${this.topic}/${this.partition}: ${error.message}`;
    const isProblem =
      error instanceof AccessDeniedError || nowMs - this.#failingSinceMs >= PATIENCE_MS;
    const isNews = isProblem && this.#problem === null;
    this.#problem = isProblem ? what : null;
    this.#context.options.log[isNews ? 'warn' : 'debug'](what);
  }

  #noteSuccess(): void {
    this.#failures = 0;
    if (this.#problem !== null)
      this.#context.options.log.info(`Fetching ${this.topic}/${this.partition} works again`);
    this.#problem = null;
  }
}
