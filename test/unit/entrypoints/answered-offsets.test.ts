import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AnswerReader } from '../../../src/entrypoints/answered-offsets.ts';
import type { Broker, OffsetRange, ReadChunk } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

const UNWATCHED = { signal: new AbortController().signal, onProgress: () => {} };
const MINUTE_MS = 60_000;

type Headers = ReceivedRecord['headers'];

/** Two topics of two partitions each. */
class Topics {
  readonly partitions: Record<string, Headers[][]> = { events: [[], []], 'dead-letters': [[], []] };
  /** The beginning of each partition. Retention has deleted what lies below. */
  readonly beginnings: Record<string, number[]> = { events: [0, 0], 'dead-letters': [0, 0] };
  compacted: readonly string[] = [];
  /** The number of offsets that were read. */
  read = 0;

  ranges(topic: string): readonly OffsetRange[] {
    const beginnings = this.beginnings[topic] ?? [];
    return (this.partitions[topic] ?? []).map((records, partition) => ({
      partition,
      beginning: beginnings[partition] ?? 0,
      end: records.length,
    }));
  }

  readonly broker = {
    isCompacted: async (topic: string) => this.compacted.includes(topic),
    offsetRanges: async (topic: string) => this.ranges(topic),
    read: async (
      topic: string,
      ranges: readonly OffsetRange[],
      take: (delivery: ReadChunk) => Promise<void>,
    ) => {
      for (const { partition, beginning, end } of ranges) {
        this.read += end - beginning;
        const records = (this.partitions[topic]?.[partition] ?? []).slice(beginning, end);
        await take({
          partition,
          records: records.map((headers) => ({ headers }) as ReceivedRecord),
          nextOffset: end,
        });
      }
    },
  } as unknown as Broker;
}

const answer = (offset: number, lane = 'commands/0'): Headers => ({
  ce_source: '/allocation',
  ce_id: `${lane}/${offset}`,
});
const letter = (offset: number, partition = 0, topic = 'commands'): Headers => ({
  'dead-letter-reason': 'malformed',
  'dead-letter-topic': topic,
  'dead-letter-partition': `${partition}`,
  'dead-letter-offset': `${offset}`,
});

let topics: Topics;
let reader: AnswerReader;

beforeEach(() => {
  vi.useFakeTimers();
  topics = new Topics();
  reader = new AnswerReader(
    topics.broker,
    { eventsTopic: 'events', deadLettersTopic: 'dead-letters' },
    { info: () => {} },
  );
});

afterEach(() => {
  vi.useRealTimers();
});

const read = (topic = 'commands') => reader.read(topic, UNWATCHED);
const nextOffsets = async (topic?: string) => Object.fromEntries((await read(topic)).nextOffsets);

describe('how far a lane has published', () => {
  it.each<readonly [string, readonly Headers[], readonly Headers[], readonly Headers[]]>([
    ['in the first partition', [answer(7)], [answer(5)], []],
    ['in the second partition', [answer(5)], [answer(7)], []],
    ['before another one', [answer(7), answer(5)], [], []],
    ['among the dead letters', [answer(5)], [answer(6)], [letter(7)]],
    ['before a dead letter', [answer(7)], [], [letter(5)]],
    [
      'in the first of several messages',
      [answer(7)],
      [{ ...answer(7), ce_id: 'commands/0/7.2' }],
      [],
    ],
    ['in the second of several messages', [{ ...answer(7), ce_id: 'commands/0/7.2' }], [], []],
  ])('is one beyond the highest place: %s', async (_, first, second, letters) => {
    topics.partitions.events = [[...first], [...second]];
    topics.partitions['dead-letters'] = [[], [...letters]];
    expect(await nextOffsets()).toEqual({ 0: 8 });
  });

  it('is 1 once the first command is answered, and unknown before', async () => {
    expect(await nextOffsets()).toEqual({});
    topics.partitions.events?.[0]?.push(answer(0));
    expect(await nextOffsets()).toEqual({ 0: 1 });
  });

  it('is known for each lane of the topic, and for no other topic', async () => {
    const lanes = ['commands/0', 'commands/1', 'commands-2/0', 'old.commands/0', 'command/0'];
    topics.partitions.events = [lanes.map((lane, index) => answer(index, lane)), []];
    topics.partitions['dead-letters'] = [[letter(9, 1, 'others')], []];
    expect(await nextOffsets()).toEqual({ 0: 1, 1: 2 });
    expect(await nextOffsets('commands-2')).toEqual({ 0: 3 });
  });

  it('does not count records of other services', async () => {
    topics.partitions.events = [
      [
        { ce_id: 'commands/0/7' },
        { ...answer(7), ce_source: '/another' },
        { ...answer(7), ce_id: 'commands/0' },
      ],
      [],
    ];
    expect(await nextOffsets()).toEqual({});
  });
});

describe('the result', () => {
  const OF_BOTH = ['events', 'dead-letters'].flatMap((topic) =>
    [0, 1].map((partition) => [topic, partition] as const),
  );

  it('is complete if every partition begins at 0', async () => {
    expect(await read()).toMatchObject({ isComplete: true, isUnused: true });
  });

  it.each(OF_BOTH)('is not complete if %s/%i begins at 1', async (topic, partition) => {
    topics.partitions[topic]?.[partition]?.push(answer(0), answer(1));
    (topics.beginnings[topic] as number[])[partition] = 1;
    expect(await read()).toMatchObject({ isComplete: false, isUnused: false });
  });

  it.each(['events', 'dead-letters'])('is not complete if %s is compacted', async (topic) => {
    topics.compacted = [topic];
    expect(await read()).toMatchObject({ isComplete: false });
  });

  it.each(OF_BOTH)(
    'shows that the topics are used once %s/%i has a record',
    async (topic, partition) => {
      topics.partitions[topic]?.[partition]?.push({});
      expect(await read()).toMatchObject({ isUnused: false });
    },
  );
});

describe('a second reading', () => {
  it('reads only new records within a minute', async () => {
    topics.partitions.events?.[0]?.push(answer(0), answer(1));
    await read();
    vi.advanceTimersByTime(MINUTE_MS - 1);
    topics.partitions.events?.[0]?.push(answer(2));
    expect([await nextOffsets(), topics.read]).toEqual([{ 0: 3 }, 3]);
  });

  it('reads everything again after a minute, as the topic may be another one', async () => {
    topics.partitions.events?.[0]?.push(answer(8), answer(9));
    await read();
    vi.advanceTimersByTime(MINUTE_MS + 1);
    topics.partitions.events = [[answer(0), answer(1)], []];
    expect([await nextOffsets(), topics.read]).toEqual([{ 0: 2 }, 4]);
  });
});
