import type { Broker, Sampling } from '../../service-layer/broker.ts';
import type { Subscription } from '../../service-layer/consumer-group.ts';
import type { Places } from './last-event-id.ts';
import { LeftOut, ServerSentEvent, type StreamEvent } from './server-sent-event.ts';

/** Bounds the events while many come. */
export type SampleBounds = Omit<Sampling, 'onSkipped'>;

/**
 * Takes an event. A client that has it stands at `nextOffset` of the partition, and the tail stands
 * there already.
 */
export type OnEvent = (partition: number, nextOffset: number, event: StreamEvent) => void;

/** One tail of the events topic for all clients of a feed. It is open while there are clients. */
export class SharedTail {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #bounds: SampleBounds | null;
  readonly #onEvent: OnEvent;
  #tail: Promise<Subscription> | null = null;
  #places: Places = [];

  /** @param bounds null: the tail delivers all events */
  constructor(broker: Broker, topic: string, bounds: SampleBounds | null, onEvent: OnEvent) {
    this.#broker = broker;
    this.#topic = topic;
    this.#bounds = bounds;
    this.#onEvent = onEvent;
  }

  /** Where the tail stands. */
  get places(): Places {
    return this.#places;
  }

  /** Resolves when the tail is open. Several callers share one tail. */
  async open(): Promise<void> {
    this.#tail ??= this.#openNew();
    const tail = this.#tail;
    try {
      await tail;
    } catch (error) {
      // Other clients may wait for a newer tail by now.
      if (this.#tail === tail) this.#tail = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    const tail = this.#tail;
    this.#tail = null;
    // A tail that did not open needs no closing.
    await tail?.then(
      (subscription) => subscription.close(),
      () => {},
    );
  }

  async #openNew(): Promise<Subscription> {
    const places: Places = [];
    this.#places = places;
    for (const { partition, end } of await this.#broker.offsetRanges(this.#topic))
      places[partition] = end;
    const take = (partition: number, nextOffset: number, event: () => StreamEvent) => {
      // A former tail may still deliver while it closes.
      if (this.#places !== places) return;
      places[partition] = nextOffset;
      this.#onEvent(partition, nextOffset, event());
    };
    const onSkipped = (partition: number, nextOffset: number) => {
      const count = nextOffset - (places[partition] ?? 0);
      take(partition, nextOffset, () => new LeftOut(count));
    };
    return this.#broker.tail(
      this.#topic,
      'end',
      (record) => take(record.partition, record.offset + 1, () => new ServerSentEvent(record)),
      this.#bounds ? { ...this.#bounds, onSkipped } : undefined,
    );
  }
}
