import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryRecord } from './check-history.ts';
import { SKUS } from './command-flow.ts';

/** So many at once, for products of every lane: the service appends them together. */
const AT_ONCE = 10;
const PAUSE_MS = 200;
const TIMEOUT_MS = 15_000;

/** Commands sent to the service over HTTP, and what it said to have done with them. */
export class HttpCommands {
  readonly #run: string;
  /** By id, the place in the topic that the service named. */
  readonly #accepted = new Map<string, string>();
  #count = 0;

  /** @param run makes the ids unlike those of others */
  constructor(run: string) {
    this.#run = run;
  }

  /** Sends orders, to each of the instances that `urls` names at the time, until it is over. */
  async send(urls: () => readonly string[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await Promise.all(
        urls().flatMap((url) => Array.from({ length: AT_ONCE }, () => this.#post(url))),
      );
      await sleep(PAUSE_MS);
    }
  }

  /** Which commands the service accepted though they are not where it says, a line each. */
  lost(commands: readonly HistoryRecord[]): readonly string[] {
    const idAt = new Map(
      commands.map(({ partition, offset, value }) => [`${partition}/${offset}`, String(value)]),
    );
    return [...this.#accepted]
      .filter(([id, place]) => !idAt.get(place)?.includes(`"${id}"`))
      .map(([id, place]) => `lost: POST /commands accepted ${id} at ${place}, where it is not`);
  }

  /** How many commands were accepted. */
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
      // Nothing was promised: the instance, or Kafka, is away.
    }
  }
}
