import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandPlace } from '../messages/answer-place.ts';
import type { Broker } from '../service-layer/broker.ts';

/** How often the committed offsets are read while somebody waits. One read serves all who wait. */
const POLL_MS = 20;

interface Waiter {
  readonly place: CommandPlace;
  readonly resolve: (isPublished: boolean) => void;
}

/**
 * Waits until the answers to commands are published. The group's committed offset moves past a
 * command in the Kafka transaction that publishes the answer. Nothing is read while nobody waits.
 */
export class AnswerWait {
  readonly #broker: Pick<Broker, 'committedOffsets'>;
  readonly #group: string;
  readonly #topic: string;
  readonly #waiters = new Set<Waiter>();
  #isPolling = false;

  /** @param topic the commands topic */
  constructor(broker: Pick<Broker, 'committedOffsets'>, group: string, topic: string) {
    this.#broker = broker;
    this.#group = group;
    this.#topic = topic;
  }

  /** The number of callers that wait. */
  get count(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for the answer to a command.
   *
   * @param signal ends the wait
   * @returns whether the answer is published; false: the signal has aborted
   */
  async for(place: CommandPlace, signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { place, resolve };
    const giveUp = () => resolve(false);
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    this.#waiters.add(waiter);
    if (!this.#isPolling) void this.#poll();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
      this.#waiters.delete(waiter);
    }
  }

  /** Asks until nobody waits. Never rejects: while the log is away, the waiters wait on. */
  async #poll(): Promise<void> {
    this.#isPolling = true;
    while (this.#waiters.size > 0) {
      const committed = await this.#broker
        .committedOffsets(this.#group, this.#topic)
        .catch((): readonly (number | null)[] => []);
      for (const { place, resolve } of this.#waiters)
        if ((committed[place.partition] ?? 0) > place.offset) resolve(true);
      await sleep(POLL_MS);
    }
    this.#isPolling = false;
  }
}
