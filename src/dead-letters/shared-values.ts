import type { Shared } from './indexed-letter.ts';
import { LetterKinds } from './letter-kinds.ts';

/** The most texts, and the most lists, that are kept for sharing. Senders choose how many come. */
const MAX_SHARED = 50_000;
const NONE: readonly string[] = [];

/** Gives equal texts and lists the same object, as long as there is room to remember them. */
export class SharedValues implements Shared {
  readonly kinds = new LetterKinds();
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  text(value: string): string {
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    if (this.#texts.size < MAX_SHARED) this.#texts.set(value, value);
    return value;
  }

  /** Shares lists of one value. Longer lists are rarely equal. */
  list(values: readonly string[]): readonly string[] {
    const [value, ...more] = values;
    if (value === undefined) return NONE;
    if (more.length > 0) return values.map((each) => this.text(each));
    const known = this.#lists.get(value);
    if (known) return known;
    const list = [this.text(value)];
    if (this.#lists.size < MAX_SHARED) this.#lists.set(value, list);
    return list;
  }
}
