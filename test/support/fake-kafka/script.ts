import type { ApiName, ResponseOf } from './apis.ts';

/** What happens to a request instead of what the model would do. */
export type Fate<N extends ApiName = ApiName> =
  /**
   * The node answers with this error, at one place (`topic/partition`) or everywhere. The request
   * has no effect there.
   */
  | { readonly error: number; readonly at?: string }
  /** The node gives this answer. The request has no effect unless it is carried out. */
  | { readonly answer: ResponseOf<N>; readonly isCarriedOut?: true }
  /**
   * The node answers neither this request nor later ones on the connection. `after`: the request
   * has its effect first.
   */
  | { readonly silence: 'before' | 'after' }
  /** The node breaks the connection. `after`: the request has its effect first. */
  | { readonly broken: 'before' | 'after' }
  /** The request has its effect at once, and the answer waits for the promise. */
  | { readonly held: Promise<unknown> };

interface Entry {
  readonly api: ApiName;
  readonly node: number | undefined;
  readonly fate: Fate;
  left: number;
  readonly isLasting: boolean;
}

export interface When {
  /** The node that must receive the request; any node when left out. */
  readonly node?: number;
  /** The first, second, … such request from now on; the first when left out. */
  readonly nth?: number;
  /** Whether the plan also holds for each later request. */
  readonly isLasting?: boolean;
}

/** The plans of tests for requests to come. */
export class Script {
  readonly #entries: Entry[] = [];

  add<N extends ApiName>(api: N, fate: Fate<N>, { node, nth = 1, isLasting = false }: When): void {
    this.#entries.push({ api, node, fate: fate as Fate, left: nth, isLasting });
  }

  clear(): void {
    this.#entries.length = 0;
  }

  /** Whether every one-time plan has happened. */
  get isDone(): boolean {
    return this.#entries.every(({ isLasting, left }) => isLasting || left <= 0);
  }

  /** Returns the fate of a request that has just come. */
  next(api: ApiName, node: number): Fate | null {
    let fate: Fate | null = null;
    for (const entry of this.#entries) {
      if (entry.api !== api || (entry.node !== undefined && entry.node !== node)) continue;
      entry.left -= 1;
      if (entry.left === 0 || (entry.isLasting && entry.left < 0)) fate ??= entry.fate;
    }
    return fate;
  }
}
