import { setTimeout as sleep } from 'node:timers/promises';
import { SKUS } from './flow-commands.ts';
import type { HistoryRecord } from './judge/history.ts';

/**
 * The number of requests at once, for products of every lane. The service appends them together.
 */
const AT_ONCE = 10;
const PAUSE_MS = 200;
const TIMEOUT_MS = 15_000;

/** Sends commands to the service over HTTP, and remembers which of them it accepted. */
export class HttpCommands {
  readonly #run: string;
  /** The place in the topic that the service named, by command id. */
  readonly #accepted = new Map<string, string>();
  #count = 0;

  /** @param run a text that sets the ids of these commands apart */
  constructor(run: string) {
    this.#run = run;
  }

  /** Sends orders to each instance that `urls` names at the time, until `isOver` says so. */
  async send(urls: () => readonly string[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await Promise.all(
        urls().flatMap((url) => Array.from({ length: AT_ONCE }, () => this.#post(url))),
      );
      await sleep(PAUSE_MS);
    }
  }

  /**
   * Returns the accepted commands that are not at the place that the service named, one line each.
   */
  lost(commands: readonly HistoryRecord[]): readonly string[] {
    const idAt = new Map(
      commands.map(({ partition, offset, value }) => [`${partition}/${offset}`, String(value)]),
    );
    return [...this.#accepted]
      .filter(([id, place]) => !idAt.get(place)?.includes(`"${id}"`))
      .map(
        ([id, place]) =>
          `lost: POST /commands accepted ${id} at ${place}, which has another record`,
      );
  }

  /** The number of accepted commands. */
  get accepted(): number {
    return this.#accepted.size;
  }

  async #post(url: string): Promise<void> {
    const number = this.#count++;
    const id = `${this.#run}-http-${number}`;
    const command = { id, type: 'AllocateOrder', orderid: id, sku: `SKU-${number % SKUS}`, qty: 1 };
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${url}/commands`, {
        method: 'POST',
        headers,
        body: JSON.stringify(command),
        signal,
      });
      const { partition, offset } = (await response.json()) as {
        partition: number;
        offset: number;
      };
      if (response.status === 202) this.#accepted.set(id, `${partition}/${offset}`);
    } catch {
      // The instance, or Kafka, is away: the service promised nothing.
    }
  }
}
