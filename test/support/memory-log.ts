import type { Broker, OffsetRange } from '../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';

/** A log in memory that can be read. Its offsets may have gaps, as behind transaction markers. */
export class MemoryLog implements Pick<Broker, 'read' | 'offsetRanges'> {
  readonly #topics = new Map<string, ReceivedRecord[][]>();
  readonly #beginnings = new Map<string, number>();
  readonly #ends = new Map<string, number>();
  /** How many offsets readers have asked for. */
  readOffsets = 0;

  constructor(topics: readonly string[], partitions: number) {
    for (const topic of topics)
      this.#topics.set(
        topic,
        Array.from({ length: partitions }, () => []),
      );
  }

  /** @param gap how many offsets before the record have none */
  append(
    topic: string,
    partition: number,
    { key, value, headers }: LogRecord,
    timestampMs: number,
    gap = 0,
  ): ReceivedRecord {
    const name = `${topic}/${partition}`;
    const offset = (this.#ends.get(name) ?? 0) + gap;
    const bytes = (text: Buffer | string | null) => (text === null ? null : Buffer.from(text));
    const record = {
      topic,
      partition,
      offset,
      timestampMs,
      key: bytes(key),
      value: bytes(value),
      headers,
    };
    this.#ends.set(name, offset + 1);
    this.#topics.get(topic)?.[partition]?.push(record);
    return record;
  }

  /** Deletes what lies before the offset, as retention does. */
  deleteBefore(topic: string, partition: number, offset: number): void {
    this.#beginnings.set(`${topic}/${partition}`, offset);
  }

  async offsetRanges(topic: string): Promise<readonly OffsetRange[]> {
    return (this.#topics.get(topic) ?? []).map((_, partition) => {
      const name = `${topic}/${partition}`;
      return {
        partition,
        beginning: this.#beginnings.get(name) ?? 0,
        end: this.#ends.get(name) ?? 0,
      };
    });
  }

  async read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: Parameters<Broker['read']>[2],
  ): Promise<void> {
    for (const { partition, beginning, end } of ranges) {
      this.readOffsets += end - beginning;
      const deleted = this.#beginnings.get(`${topic}/${partition}`) ?? 0;
      const records = (this.#topics.get(topic)?.[partition] ?? []).filter(
        ({ offset }) => offset >= Math.max(deleted, beginning) && offset < end,
      );
      await take({ partition, records, nextOffset: end });
    }
  }
}
