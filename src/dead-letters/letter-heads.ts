import type { Broker, ReadChunk } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { Fates, isMarker } from './markers.ts';
import { headOf, type LetterHead, type ListedLetter } from './read-dead-letter.ts';

/**
 * Lists the dead letters of a topic without their headers and values. A letter takes about 1 kB,
 * and the names of its products. The list reads no record twice.
 */
export class LetterHeads {
  readonly #broker: Pick<Broker, 'read' | 'offsetRanges'>;
  readonly #topic: string;
  readonly #heads: LetterHead[] = [];
  readonly #fates = new Fates();
  readonly #nextOffsets = new Map<number, number>();

  constructor(broker: Pick<Broker, 'read' | 'offsetRanges'>, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
  }

  /**
   * Reads the records that are new since the last call.
   * @returns every letter, oldest first
   * @throws the signal's reason
   */
  async read(signal?: AbortSignal): Promise<readonly ListedLetter[]> {
    const ranges = (await this.#broker.offsetRanges(this.#topic)).map(
      ({ partition, beginning, end }) => {
        return {
          partition,
          beginning: Math.min(end, Math.max(beginning, this.#nextOffsets.get(partition) ?? 0)),
          end,
        };
      },
    );
    const take = async ({ partition, records, nextOffset }: ReadChunk) => {
      for (const record of records) this.#add(record);
      this.#nextOffsets.set(partition, nextOffset);
    };
    await this.#broker.read(this.#topic, ranges, take, signal);
    return this.#heads
      .map((head) => ({ ...head, ...this.#fates.of(head.id) }))
      .sort((one, other) => one.failedAt.localeCompare(other.failedAt));
  }

  #add(record: ReceivedRecord): void {
    if (isMarker(record)) {
      this.#fates.add(record);
      return;
    }
    const head = headOf(record);
    // Copy the key: the original would keep the memory of the whole fetch alive.
    this.#heads.push({ ...head, key: head.key && Buffer.from(head.key) });
  }
}
