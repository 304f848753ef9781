import { setTimeout as sleep } from 'node:timers/promises';
import type { OffsetRange, ReadChunk } from '../../../service-layer/broker.ts';
import { TroubleError } from '../../../service-layer/errors.ts';
import { asServiceError } from './client.ts';
import type { Leader } from './leader-connection.ts';
import { MAX_PIECE_BYTES, readFetched } from './records/fetched-records.ts';
import { ERROR, errorName } from './requests/error-codes.ts';
import { fetchRecords, type LogPartition, listOffset } from './requests/fetch-request.ts';
import { topicIdIn } from './requests/topic-id.ts';

const RETRY_MS = 200;
/** How long the reader waits for a leader. A node restarts, or loses its leadership, faster. */
const AWAY_TIMEOUT_MS = 30_000;
/**
 * How long the reader waits for an open transaction. Kafka ends a transaction of the service after
 * 60 s, and looks for such transactions every 10 s.
 */
const OPEN_TRANSACTION_TIMEOUT_MS = 90_000;
/**
 * How long empty answers may go on before they mean the end. A slow storage tier causes some too.
 */
const NOTHING_LEFT_AFTER_MS = 5_000;
const FETCH_WAIT_MS = 500;
const FETCH_BYTES = 1024 * 1024;

/**
 * Reads ranges of a topic, one partition after the other, through connections of its own.
 *
 * Guarantee: the reader yields each committed record once, in order, even while nodes fail. The
 * reader keeps its own position, and asks the partition's new leader for the same records after an
 * error. The reading fails if retention deletes records before the reader gets them.
 */
export class KafkaReader {
  readonly #topic: string;
  readonly #logId: () => Promise<string>;
  readonly #leaderOf: (partition: number) => Leader;
  readonly #signal: AbortSignal;

  /**
   * @param logId identifies the topic's log
   * @param leaderOf makes a connection to a partition's leader; it is not open yet
   * @param signal aborts when the caller wants no more records
   */
  constructor(
    topic: string,
    logId: () => Promise<string>,
    leaderOf: (partition: number) => Leader,
    signal: AbortSignal,
  ) {
    this.#topic = topic;
    this.#logId = logId;
    this.#leaderOf = leaderOf;
    this.#signal = signal;
  }

  async *chunks(ranges: readonly OffsetRange[]): AsyncGenerator<ReadChunk, void> {
    const topicId = topicIdIn(await this.#logId());
    for (const range of ranges) {
      if (range.beginning >= range.end) continue;
      const leader = this.#leaderOf(range.partition);
      try {
        yield* this.#within(topicId, range, leader);
      } finally {
        leader.close();
      }
    }
  }

  async *#within(
    topicId: string,
    { partition, beginning, end }: OffsetRange,
    leader: Leader,
  ): AsyncGenerator<ReadChunk, void> {
    const first = await this.#beginning(leader, partition);
    let from = Math.max(beginning, first.offset);
    // Retention has deleted the whole range.
    if (from >= end) yield { partition, records: [], nextOffset: end };
    while (from < end) {
      const chunk = await this.#next(leader, { topic: this.#topic, topicId, partition }, from, end);
      from = chunk.nextOffset;
      yield chunk;
    }
  }

  /**
   * Fetches the next chunk of a range. An answer is empty at the end of the log, and behind the
   * first record of an open transaction.
   */
  async #next(leader: Leader, log: LogPartition, from: number, end: number): Promise<ReadChunk> {
    const { partition } = log;
    const place = `${this.#topic}/${partition}`;
    const askedAtMs = Date.now();
    const fetch = fetchRecords(log, from, {
      waitMs: FETCH_WAIT_MS,
      maxBytes: FETCH_BYTES,
    });
    const ask = async () => {
      const answer = await leader.ask(fetch, FETCH_WAIT_MS);
      const fetched = readFetched(this.#topic, partition, answer.bytes, answer.aborted, {
        from,
        maxPieceBytes: MAX_PIECE_BYTES,
        maxRecordBytes: Number.POSITIVE_INFINITY,
      });
      return { ...answer, ...fetched };
    };
    for (;;) {
      const answer = await this.#insist(`Reading ${place} from offset ${from} on`, leader, ask);
      if (answer.errorCode === ERROR.OFFSET_OUT_OF_RANGE)
        return await this.#refuse(leader, partition, from);
      const { records, nextOffset } = answer;
      if (nextOffset !== null) {
        // A record batch may begin before the range, or end after it.
        const inRange = records.filter(({ offset }) => offset >= from && offset < end);
        return { partition, records: inRange, nextOffset: Math.min(nextOffset, end) };
      }
      const waitedMs = Date.now() - askedAtMs;
      if (answer.lastStableOffset >= end && waitedMs > NOTHING_LEFT_AFTER_MS)
        return { partition, records: [], nextOffset: end };
      if (waitedMs > OPEN_TRANSACTION_TIMEOUT_MS)
        throw new TroubleError(
          `${place} can be read up to offset ${from}, and ${end} was expected: ` +
            'a transaction there does not end, or the log was truncated. Read the topic again',
        );
    }
  }

  /**
   * Ends the reading, because the log does not have the offset. Asking again would not help.
   * @throws {TroubleError} always
   */
  async #refuse(leader: Leader, partition: number, from: number): Promise<never> {
    const place = `${this.#topic}/${partition}`;
    const { offset: beginning } = await this.#beginning(leader, partition);
    throw new TroubleError(
      from < beginning
        ? `Retention has deleted the offsets from ${from} to ${beginning - 1} of ${place} ` +
            'before they were read. Read the topic again'
        : `${place} has no offset ${from}: it was truncated or created again ` +
            'while it was read. Read the topic again',
    );
  }

  #beginning(leader: Leader, partition: number) {
    const doing = `Reading the beginning of ${this.#topic}/${partition}`;
    const question = listOffset(this.#topic, partition, 'beginning');
    return this.#insist(doing, leader, () => leader.ask(question, 0));
  }

  /** Asks the current leader until it can read an answer without an error, for 30 s at most. */
  async #insist<T extends { readonly errorCode: number }>(
    doing: string,
    leader: Leader,
    ask: () => Promise<T>,
  ): Promise<T> {
    const giveUpAtMs = Date.now() + AWAY_TIMEOUT_MS;
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        const answer = await ask();
        if (answer.errorCode === ERROR.NONE || answer.errorCode === ERROR.OFFSET_OUT_OF_RANGE)
          return answer;
        throw new TroubleError(`the leader answers ${errorName(answer.errorCode)}`);
      } catch (error) {
        leader.drop();
        if (Date.now() > giveUpAtMs) throw asServiceError(error, doing);
        await sleep(RETRY_MS);
      }
    }
  }
}
