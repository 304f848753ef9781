import type { AllocationEvent } from './event.ts';

/** Remembers the ids of events. A durable store writes in the transaction of the effect. */
export interface SeenIds {
  has(id: string): boolean | Promise<boolean>;
  add(id: string): void | Promise<void>;
}

/** An id has about 40 characters: a full memory takes about 10 MB. */
const DEFAULT_MAX_IDS = 100_000;

/** Remembers the newest ids in memory. Repeats that are further apart are not noticed. */
export class RecentIds implements SeenIds {
  readonly #maxIds: number;
  /** In the order in which they came. */
  readonly #ids = new Set<string>();

  constructor(maxIds: number = DEFAULT_MAX_IDS) {
    this.#maxIds = maxIds;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > this.#maxIds && oldest !== undefined) this.#ids.delete(oldest);
  }
}

/**
 * Handles each event once, and drops repeats by `ce_id`. The service never repeats an event, but a
 * consumer may meet one again: after a crash, after a rebalance, or as a copy by `replay events`.
 *
 * @example
 * const deduplicator = new Deduplicator();
 * for (const event of eventsOf(message)) await deduplicator.once(event, handle);
 */
export class Deduplicator {
  readonly #seen: SeenIds;
  readonly #underWay = new Map<string, Promise<void>>();

  /** @param seen default: the newest 100,000 ids, in memory */
  constructor(seen: SeenIds = new RecentIds()) {
    this.#seen = seen;
  }

  /**
   * Handles the event, unless it was handled before. An event whose handler fails counts as not
   * handled. A message that is no event of the service has no id to go by, and is always handled.
   *
   * @returns whether the event was handled
   * @throws what the handler, or the store, throws
   */
  async once<E extends AllocationEvent>(
    event: E,
    handle: (event: E) => void | Promise<void>,
  ): Promise<boolean> {
    const { id, source } = event;
    if (id === null || source !== '/allocation') {
      await handle(event);
      return true;
    }
    // The same event may be under way for another partition. If its handler fails, this one counts.
    for (let other = this.#underWay.get(id); other; other = this.#underWay.get(id)) await other;
    const work = this.#handleNew(id, () => handle(event));
    const settled = work.then(
      () => {},
      () => {},
    );
    this.#underWay.set(id, settled);
    try {
      return await work;
    } finally {
      this.#underWay.delete(id);
    }
  }

  async #handleNew(id: string, handle: () => void | Promise<void>): Promise<boolean> {
    if (await this.#seen.has(id)) return false;
    await handle();
    await this.#seen.add(id);
    return true;
  }
}
