import { Partitioners, type Producer } from 'kafkajs';
import { type LogRecord, TroubleError } from '../../../service-layer/unit-of-work.ts';
import { bytesOf } from '../../record-bytes.ts';
import { asServiceError, createClient, disconnect, type KafkaOptions, OPERATION_TIMEOUT_MS, withDeadline } from './client.ts';
import type { TopicLayouts } from './layout.ts';
import { BATCH_OVERHEAD_BYTES, type PlacedRecord, sends, topicMessages } from './records.ts';

type Place = { readonly partition: number; readonly offset: number };

interface Waiting {
  readonly records: readonly PlacedRecord[];
  readonly resolve: (places: readonly Place[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends outside any transaction. Calls that come while a send is under way go out together with the next one.
 * One idempotent producer, one send at a time; after any error it is thrown away, because kafkajs may have rolled its sequence
 * back, and the broker would drop other records as repetitions of what it has.
 */
export class KafkaPublisher {
  readonly #options: KafkaOptions;
  readonly #layouts: TopicLayouts;
  #producer: Promise<Producer> | null = null;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions, layouts: TopicLayouts) {
    this.#options = options;
    this.#layouts = layouts;
  }

  async publish(topic: string, records: readonly LogRecord[]): Promise<readonly Place[]> {
    if (records.length === 0) return [];
    const { maxMessageBytes } = await this.#layouts.of(topic);
    const placed = await this.#layouts.place(records.map((record) => ({ ...record, topic })));
    for (const bytes of records.map(bytesOf)) {
      if (bytes + BATCH_OVERHEAD_BYTES <= maxMessageBytes) continue;
      throw new RangeError(`A message of ${bytes} bytes is too large: ${topic} takes at most ${maxMessageBytes}`);
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
        const places = await withDeadline(this.#send(batch.flatMap(({ records }) => records)), OPERATION_TIMEOUT_MS, 'Publishing');
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

  async #send(records: readonly PlacedRecord[]): Promise<readonly Place[]> {
    const producer = await this.#connected();
    const places: Place[] = [];
    for (const part of sends(records)) {
      const appended = await producer.sendBatch({ acks: -1, topicMessages: topicMessages(part) });
      const next = new Map(appended.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, Number(baseOffset)]));
      for (const {
        record: { topic },
        partition,
      } of part) {
        const offset = next.get(`${topic}/${partition}`) ?? Number.NaN;
        next.set(`${topic}/${partition}`, offset + 1);
        places.push({ partition, offset });
      }
    }
    return places;
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = createClient(this.#options).producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 8 },
    });
    await producer.connect();
    return producer;
  }

  #discard(): void {
    this.#producer?.then(disconnect, () => {});
    this.#producer = null;
  }
}
