import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findAnswerRecords } from '../../../src/command-status/lane-order-search.ts';
import { readAnswerPlace } from '../../../src/messages/answer-place.ts';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

const COMMANDS = 'commands';
const CHUNK_RECORDS = 100;

/** A topic in memory. Offsets may have gaps, as behind transaction markers. */
class Topic implements Pick<Broker, 'read' | 'offsetRanges'> {
  readonly #partitions: readonly (readonly ReceivedRecord[])[];
  /** How many records readers have received. */
  readCount = 0;

  /** @param ids of the events of each partition, or null for a gap */
  constructor(ids: readonly (readonly (string | null)[])[]) {
    this.#partitions = ids.map((each, partition) =>
      each.flatMap((id, offset) => (id === null ? [] : [eventAt(partition, offset, id)])),
    );
  }

  async offsetRanges(): Promise<readonly OffsetRange[]> {
    return this.#partitions.map((records, partition) => {
      const end = (records.at(-1)?.offset ?? -1) + 2;
      return { partition, beginning: 0, end };
    });
  }

  async read(
    _topic: string,
    ranges: readonly OffsetRange[],
    take: Parameters<Broker['read']>[2],
  ): Promise<void> {
    for (const { partition, beginning, end } of ranges) {
      const records = (this.#partitions[partition] ?? []).filter(
        ({ offset }) => offset >= beginning && offset < end,
      );
      for (let start = 0; start < records.length; start += CHUNK_RECORDS) {
        const chunk = records.slice(start, start + CHUNK_RECORDS);
        this.readCount += chunk.length;
        await take({ partition, records: chunk, nextOffset: (chunk.at(-1)?.offset ?? 0) + 1 });
      }
    }
  }
}

function eventAt(partition: number, offset: number, id: string): ReceivedRecord {
  const headers = { ce_id: id, ce_source: '/allocation' };
  const value = Buffer.alloc(0);
  return { topic: 'events', partition, offset, timestampMs: 0, key: null, value, headers };
}

async function idsOf(topic: Topic, partition: number, offset: number): Promise<readonly string[]> {
  const place = { topic: COMMANDS, partition, offset };
  const records = await findAnswerRecords(topic, 'events', place, readAnswerPlace);
  return records.map(({ headers }) => String(headers.ce_id));
}

/** Answers of lanes to a growing number of commands, spread over the partitions of the topic. */
const answers = fc
  .array(
    fc.record({
      lane: fc.nat(2),
      partition: fc.nat(2),
      parts: fc.integer({ min: 1, max: 3 }),
      skipped: fc.nat(3),
      gap: fc.nat(2),
    }),
    { maxLength: 3_000, size: 'max' },
  )
  .map((steps) => {
    const nextOffsets = [0, 0, 0];
    const topic: (string | null)[][] = [[], [], []];
    const expected = new Map<string, string[]>();
    for (const { lane, partition, parts, skipped, gap } of steps) {
      const offset = (nextOffsets[lane] ?? 0) + skipped;
      nextOffsets[lane] = offset + 1;
      const place = `${COMMANDS}/${lane}/${offset}`;
      const ids = Array.from({ length: parts }, (_, part) =>
        part === 0 ? place : `${place}.${part + 1}`,
      );
      topic[partition]?.push(...ids, ...Array<null>(gap).fill(null));
      expected.set(`${lane}/${offset}`, ids);
    }
    return { topic: new Topic(topic), expected, nextOffsets };
  });

describe('the search for an answer', () => {
  it('finds every part of every answer, and nothing for commands without one', async () => {
    await fc.assert(
      fc.asyncProperty(answers, fc.nat(2), fc.nat(20_000), async (made, lane, number) => {
        const offset = number % ((made.nextOffsets[lane] ?? 0) + 2);
        const wanted = made.expected.get(`${lane}/${offset}`) ?? [];
        expect(await idsOf(made.topic, lane, offset)).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  });

  it('reads a small part of a long topic, wherever the answer is', async () => {
    const length = 100_000;
    const ids = Array.from({ length }, (_, index) => `${COMMANDS}/${index % 4}/${index >> 2}`);
    for (const offset of [0, 7, 12_345, 24_999]) {
      const topic = new Topic([ids]);
      expect(await idsOf(topic, 1, offset)).toEqual([`${COMMANDS}/1/${offset}`]);
      expect(topic.readCount).toBeLessThan(length / 20);
    }
  });

  it('gives up, and says so, when the lane has no record among very many others', async () => {
    const others = Array.from({ length: 210_000 }, (_, index) => `${COMMANDS}/1/${index}`);
    const topic = new Topic([others]);
    await expect(idsOf(topic, 0, 4)).rejects.toThrow('read the topic instead');
  });
});
