import type { OffsetRange } from '../service-layer/broker.ts';

interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** Knows which letters an index has no room for. Each takes about 30 bytes. */
export class LeftOutLetters {
  readonly #offsets = new Map<number, Set<number>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The smallest ranges that have all these letters. */
  get ranges(): readonly OffsetRange[] {
    return [...this.#offsets].map(([partition, offsets]) => {
      let [beginning, end] = [Number.POSITIVE_INFINITY, 0];
      for (const offset of offsets)
        [beginning, end] = [Math.min(beginning, offset), Math.max(end, offset + 1)];
      return { partition, beginning, end };
    });
  }

  has({ partition, offset }: Place): boolean {
    return this.#offsets.get(partition)?.has(offset) ?? false;
  }

  add({ partition, offset }: Place): void {
    const offsets = this.#offsets.get(partition) ?? new Set();
    this.#offsets.set(partition, offsets);
    if (!offsets.has(offset)) this.#count += 1;
    offsets.add(offset);
  }

  /** @returns whether the letter was left out */
  delete({ partition, offset }: Place): boolean {
    const offsets = this.#offsets.get(partition);
    if (!offsets?.delete(offset)) return false;
    this.#count -= 1;
    if (offsets.size === 0) this.#offsets.delete(partition);
    return true;
  }

  /** Forgets the letters that the topic has deleted. */
  forgetBefore(partition: number, beginning: number): void {
    for (const offset of this.#offsets.get(partition) ?? [])
      if (offset < beginning) this.delete({ partition, offset });
  }

  clear(): void {
    this.#offsets.clear();
    this.#count = 0;
  }
}
