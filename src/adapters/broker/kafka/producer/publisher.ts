import { TroubleError } from '../../../../service-layer/errors.ts';
import type { AddressedRecord } from '../../../../service-layer/records.ts';
import { bytesOf } from '../../../record-bytes.ts';
import { type PlaceInTopic, requireRoom } from '../../record-checks.ts';
import {
  asServiceError,
  type KafkaOptions,
  OPERATION_TIMEOUT_MS,
  withDeadline,
} from '../client.ts';
import type { TopicLayouts } from '../layout.ts';
import { BATCH_HEADER_BYTES, type PartitionRecord } from '../records/partition-records.ts';
import { IdempotentAppender } from './appender.ts';
import type { DepartedNodes } from './departed-nodes.ts';

/** A call that waits for its records' places. */
interface PendingCall {
  readonly records: readonly PartitionRecord[];
  readonly resolve: (places: readonly PlaceInTopic[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends records outside any transaction. All calls that arrive during a send go out together with
 * the next send. The publisher throws its appender away after an error, because nobody knows
 * whether the records of the last send are in the log.
 */
export class KafkaPublisher {
  readonly #options: KafkaOptions;
  readonly #layouts: TopicLayouts;
  readonly #departed: DepartedNodes;
  #appender: IdempotentAppender | null = null;
  #calls: PendingCall[] = [];
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions, layouts: TopicLayouts, departed: DepartedNodes) {
    this.#options = options;
    this.#departed = departed;
    this.#layouts = layouts;
  }

  /**
   * Appends the records.
   * @returns each record's place, in the order given
   * @throws {MessageTooLargeError} a record is larger than the topic accepts
   * @throws {RangeError} a record names a partition that the topic does not have
   * @throws {TroubleError} Kafka does not answer in time; the records may be in the log
   */
  async publish(
    topic: string,
    records: readonly AddressedRecord[],
  ): Promise<readonly PlaceInTopic[]> {
    if (records.length === 0) return [];
    const { maxMessageBytes } = await this.#layouts.of(topic);
    const routed = await this.#layouts.place(records.map((record) => ({ ...record, topic })));
    for (const record of records)
      requireRoom(bytesOf(record), topic, maxMessageBytes, BATCH_HEADER_BYTES);
    if (this.#isClosed) throw new TroubleError('The broker is closed');
    const { promise, resolve, reject } = Promise.withResolvers<readonly PlaceInTopic[]>();
    this.#calls.push({ records: routed, resolve, reject });
    this.#running ??= this.#run();
    return await promise;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    this.#discard();
  }

  async #run(): Promise<void> {
    while (this.#calls.length > 0) {
      const calls = this.#calls;
      this.#calls = [];
      try {
        const places = await this.#append(calls.flatMap(({ records }) => records));
        let start = 0;
        for (const { records, resolve } of calls) {
          resolve(places.slice(start, start + records.length));
          start += records.length;
        }
      } catch (error) {
        this.#discard();
        this.#layouts.forget();
        for (const { reject } of calls) reject(asServiceError(error, 'Publishing'));
      }
    }
    this.#running = null;
  }

  async #append(records: readonly PartitionRecord[]): Promise<readonly PlaceInTopic[]> {
    this.#appender ??= new IdempotentAppender(this.#options, this.#departed);
    return await withDeadline(this.#appender.append(records), OPERATION_TIMEOUT_MS, 'Publishing');
  }

  #discard(): void {
    void this.#appender?.close();
    this.#appender = null;
  }
}
