import { TroubleError } from '../../../../service-layer/errors.ts';
import type { AddressedRecord } from '../../../../service-layer/records.ts';
import { bytesOf } from '../../../record-bytes.ts';
import {
  asServiceError,
  type KafkaOptions,
  OPERATION_TIMEOUT_MS,
  withDeadline,
} from '../client.ts';
import type { TopicLayouts } from '../layout.ts';
import { BATCH_OVERHEAD_BYTES, type PlacedRecord } from '../records/partition-records.ts';
import { IdempotentAppender } from './appender.ts';
import type { DepartedNodes } from './departed-nodes.ts';

type Place = { readonly partition: number; readonly offset: number };

interface Waiting {
  readonly records: readonly PlacedRecord[];
  readonly resolve: (places: readonly Place[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends outside any transaction. Calls that come while a send is under way go out together with
 * the next one. After any error the appender is thrown away: what it sent last may be in the log.
 */
export class KafkaPublisher {
  readonly #options: KafkaOptions;
  readonly #layouts: TopicLayouts;
  readonly #departed: DepartedNodes;
  #appender: IdempotentAppender | null = null;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions, layouts: TopicLayouts, departed: DepartedNodes) {
    this.#options = options;
    this.#departed = departed;
    this.#layouts = layouts;
  }

  async publish(topic: string, records: readonly AddressedRecord[]): Promise<readonly Place[]> {
    if (records.length === 0) return [];
    const { maxMessageBytes } = await this.#layouts.of(topic);
    const placed = await this.#layouts.place(records.map((record) => ({ ...record, topic })));
    for (const bytes of records.map(bytesOf)) {
      if (bytes + BATCH_OVERHEAD_BYTES <= maxMessageBytes) continue;
      throw new RangeError(
        `A message of ${bytes} bytes is too large: ${topic} takes at most ${maxMessageBytes}`,
      );
    }
    if (this.#isClosed) throw new TroubleError('The broker is closed');
    const { promise, resolve, reject } = Promise.withResolvers<readonly Place[]>();
    this.#waiting.push({ records: placed, resolve, reject });
    this.#running ??= this.#run();
    return await promise;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    this.#discard();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const places = await this.#append(batch.flatMap(({ records }) => records));
        let start = 0;
        for (const { records, resolve } of batch) {
          resolve(places.slice(start, start + records.length));
          start += records.length;
        }
      } catch (error) {
        this.#discard();
        this.#layouts.forget();
        for (const { reject } of batch) reject(asServiceError(error, 'Publishing'));
      }
    }
    this.#running = null;
  }

  async #append(records: readonly PlacedRecord[]): Promise<readonly Place[]> {
    this.#appender ??= new IdempotentAppender(this.#options, this.#departed);
    return await withDeadline(this.#appender.append(records), OPERATION_TIMEOUT_MS, 'Publishing');
  }

  #discard(): void {
    void this.#appender?.close();
    this.#appender = null;
  }
}
