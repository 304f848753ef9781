import { DEAD_LETTER_REASONS } from '../messages/dead-letter-reasons.ts';
import type { OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { headerText } from './header-text.ts';

interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** Stands for every reason that this service does not write. */
const OTHER = 'other';

/** Knows which letters an index has no room for, and why they failed. Each takes about 40 bytes. */
export class LeftOutLetters {
  /** The reasons, by partition and offset. */
  readonly #reasons = new Map<number, Map<number, string>>();
  readonly #counts = new Map<string, number>();

  get count(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The number of these letters, by reason. `other` counts all reasons of other programs. */
  get byReason(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** The smallest ranges that have all these letters. */
  get ranges(): readonly OffsetRange[] {
    return [...this.#reasons].map(([partition, reasons]) => {
      let [beginning, end] = [Number.POSITIVE_INFINITY, 0];
      for (const offset of reasons.keys())
        [beginning, end] = [Math.min(beginning, offset), Math.max(end, offset + 1)];
      return { partition, beginning, end };
    });
  }

  has({ partition, offset }: Place): boolean {
    return this.#reasons.get(partition)?.has(offset) ?? false;
  }

  add({ partition, offset, headers }: Place & Pick<ReceivedRecord, 'headers'>): void {
    const known = this.#reasons.get(partition) ?? new Map<number, string>();
    this.#reasons.set(partition, known);
    if (known.has(offset)) return;
    const reason = headerText(headers, 'dead-letter-reason');
    // Somebody else may have written the letter, with any text as its reason.
    const shared = Object.keys(DEAD_LETTER_REASONS).find((each) => each === reason) ?? OTHER;
    known.set(offset, shared);
    this.#countReason(shared, 1);
  }

  /** @returns whether the letter was left out */
  delete({ partition, offset }: Place): boolean {
    const known = this.#reasons.get(partition);
    const reason = known?.get(offset);
    if (known === undefined || reason === undefined) return false;
    known.delete(offset);
    if (known.size === 0) this.#reasons.delete(partition);
    this.#countReason(reason, -1);
    return true;
  }

  /** Forgets the letters that the topic has deleted. */
  forgetBefore(partition: number, beginning: number): void {
    for (const offset of this.#reasons.get(partition)?.keys() ?? [])
      if (offset < beginning) this.delete({ partition, offset });
  }

  clear(): void {
    this.#reasons.clear();
    this.#counts.clear();
  }

  #countReason(reason: string, more: number): void {
    const count = (this.#counts.get(reason) ?? 0) + more;
    if (count === 0) this.#counts.delete(reason);
    else this.#counts.set(reason, count);
  }
}
