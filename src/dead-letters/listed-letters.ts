import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import {
  type Fate,
  fateOf,
  headOf,
  isMarker,
  type LetterHead,
  type ListedLetter,
  MAX_PLACE_LENGTH,
  resolvedBy,
  UNRESOLVED,
} from './dead-letter-box.ts';

/**
 * The dead letters of a topic without their headers and values: about 1 kB each, and the names of
 * the products that a letter is about. What was read once is not read again.
 */
export class ListedLetters {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #heads: LetterHead[] = [];
  readonly #fates = new Map<string, Fate>();
  readonly #nextOffsets = new Map<number, number>();

  constructor(broker: Broker, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
  }

  /** Reads what has come since the last time. @returns every letter, oldest first */
  async read(): Promise<readonly ListedLetter[]> {
    const ranges = (await this.#broker.offsetRanges(this.#topic)).map(
      ({ partition, beginning, end }) => {
        return {
          partition,
          beginning: Math.min(end, Math.max(beginning, this.#nextOffsets.get(partition) ?? 0)),
          end,
        };
      },
    );
    await this.#broker.read(this.#topic, ranges, async ({ partition, records, nextOffset }) => {
      for (const record of records) this.#note(record);
      this.#nextOffsets.set(partition, nextOffset);
    });
    return this.#heads
      .map((head) => ({ ...head, ...(this.#fates.get(head.id) ?? UNRESOLVED) }))
      .sort((one, other) => one.failedAt.localeCompare(other.failedAt));
  }

  #note(record: ReceivedRecord): void {
    if (!isMarker(record)) {
      const head = headOf(record);
      // A copy: the key would keep everything that was fetched with it.
      this.#heads.push({ ...head, key: head.key && Buffer.from(head.key) });
      return;
    }
    const id = resolvedBy(record);
    // The first says what happened. A forged one may name anything, of any length.
    if (id.length <= this.#topic.length + MAX_PLACE_LENGTH && !this.#fates.has(id))
      this.#fates.set(id, fateOf(record));
  }
}
