import type { ApiName, ResponseOf } from './apis.ts';

/** What happens to a request instead of what the model would do about it. */
export type Fate<N extends ApiName = ApiName> =
  /** The error, and no effect: at a place (`topic/partition`), or everywhere. */
  | { readonly error: number; readonly at?: string }
  /** This answer, and no effect. */
  | { readonly answer: ResponseOf<N> }
  /** No answer to it or to anything after it on the connection: the request has no effect, or has had it. */
  | { readonly silence: 'before' | 'after' }
  /** The connection breaks: the request has no effect, or has had it. */
  | { readonly broken: 'before' | 'after' }
  /** It has its effect at once; the answer waits. */
  | { readonly held: Promise<unknown> };

interface Entry {
  readonly api: ApiName;
  readonly node: number | undefined;
  readonly fate: Fate;
  left: number;
  readonly isLasting: boolean;
}

export interface When {
  /** Only on this node. */
  readonly node?: number;
  /** The first, second, … such request from now on; the first when left out. */
  readonly nth?: number;
  /** That request and each one after it. */
  readonly isLasting?: boolean;
}

/** What tests have planned for the requests to come. */
export class Script {
  readonly #entries: Entry[] = [];

  add<N extends ApiName>(api: N, fate: Fate<N>, { node, nth = 1, isLasting = false }: When): void {
    this.#entries.push({ api, node, fate: fate as Fate, left: nth, isLasting });
  }

  clear(): void {
    this.#entries.length = 0;
  }

  /** Whether everything that was planned for once has happened. */
  get isDone(): boolean {
    return this.#entries.every(({ isLasting, left }) => isLasting || left <= 0);
  }

  /** The fate of a request that has just come. */
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
