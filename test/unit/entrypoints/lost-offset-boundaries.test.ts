import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { knownOffsets, type OpeningLane } from '../../../src/entrypoints/lost-offset.ts';
import type { GroupPosition, Partition } from '../../../src/service-layer/records.ts';

/** What lane 0 finds when it opens. A list has one value for each lane. Partitions end at 10. */
interface Situation {
  /** The committed offset (C) of each lane, or null if it is lost. */
  readonly committed?: readonly (number | null)[];
  readonly formerGroup?: string;
  /** The position in the database (D) of each lane. */
  readonly positions: readonly number[];
  /** The offset behind the highest published answer of each lane. */
  readonly published?: readonly number[];
  /** Which answers the topics still have. */
  readonly answers?: 'all' | 'some' | 'none ever';
  /** The offsets of the commands whose answers are in the outbox. */
  readonly outbox?: readonly number[];
  readonly ends?: readonly number[];
}

async function decide({
  committed = [null],
  formerGroup,
  positions,
  published = [],
  answers = 'all',
  outbox = [],
  ends = [10, 10],
}: Situation) {
  const moved: (number | undefined)[] = [];
  const settled: string[] = [];
  let readings = 0;
  const producer = {
    publish: async (_: unknown, position: GroupPosition | null) =>
      void moved.push(position?.nextOffset),
    close: async () => {},
  };
  const context = {
    group: 'group',
    log: pino({ level: 'silent' }),
    broker: {
      offsetRanges: async () => ends.map((end, partition) => ({ partition, beginning: 0, end })),
    },
    answerReader: {
      read: async () => {
        readings += 1;
        return {
          nextOffsets: new Map(published.entries()),
          isComplete: answers !== 'some',
          isUnused: answers === 'none ever',
        };
      },
    },
    store: {
      readPositions: async () => new Map(positions.entries()),
      // One command at a time, so that the caller must ask again for the rest.
      readOutbox: async (_: Partition, from: number, below: number) => {
        const sourceOffset = outbox.find((offset) => offset >= from && offset < below);
        return sourceOffset === undefined
          ? null
          : { records: [{ sourceOffset }], nextOffset: sourceOffset + 1, restsOn: [] };
      },
      settle: async (_: Partition, group: string) => void settled.push(group),
    },
  } as unknown as LaneContext;
  const opening = {
    lane: { topic: 'commands', partition: 0 },
    producer,
    position: { nextOffset: positions[0], nextSequence: 1, group: 'group' },
    committed,
    formerGroup: formerGroup ?? null,
  } as unknown as OpeningLane;
  const outcome = await knownOffsets(opening, context, {
    signal: new AbortController().signal,
    onProgress: () => {},
  }).then(
    (known) => known,
    (error: Error) => error.message,
  );
  return { outcome, moved, settled, readings };
}

type Row = readonly [words: string, situation: Situation, C: number];

const PROVEN: readonly Row[] = [
  ['a lane that was never used', { positions: [0], answers: 'none ever' }, 0],
  ['all answers are published, the last one too', { positions: [10], published: [10] }, 10],
  ['all answers are published', { positions: [5], published: [5] }, 5],
  ['one answer is in the outbox', { positions: [6], published: [5], outbox: [5] }, 5],
  ['one more command was handled without an answer', { positions: [6], published: [5] }, 6],
  [
    'unanswered commands come before one in the outbox',
    { positions: [8], published: [5], outbox: [7] },
    7,
  ],
  ['a published answer is still in the outbox', { positions: [6], published: [5], outbox: [4] }, 6],
  [
    'only the first answer exists, in the outbox',
    { positions: [1], published: [0], outbox: [0] },
    0,
  ],
  ['the database lacks the last published answer', { positions: [4], published: [5] }, 5],
];

const SOME_DELETED: readonly Row[] = [
  [
    'the database stands at the last known answer',
    { positions: [5], published: [5], answers: 'some' },
    5,
  ],
  [
    'the database is one ahead with an empty outbox',
    { positions: [6], published: [5], answers: 'some' },
    6,
  ],
  [
    'only a published answer is in the outbox',
    { positions: [6], published: [5], answers: 'some', outbox: [4] },
    6,
  ],
  ['one command was handled without an answer', { positions: [1], answers: 'none ever' }, 1],
  ['only another lane has handled commands', { positions: [0, 1], answers: 'some' }, 0],
];

describe('a committed offset that is missing', () => {
  it.each([...PROVEN, ...SOME_DELETED])(
    '%s: C is proven and committed',
    async (_, situation, C) => {
      expect(await decide(situation)).toMatchObject({ outcome: [C], moved: [C] });
    },
  );

  it.each<readonly [string, Situation, string]>([
    [
      'an answer to a command beyond the end is published',
      { positions: [10], published: [11] },
      'ends at 10, but answers to its commands up to 10',
    ],
    [
      'one answer is in the outbox',
      { positions: [6], published: [5], answers: 'some', outbox: [5] },
      'answers from offset 5 on',
    ],
    [
      'the last answer is in the outbox',
      { positions: [8], published: [5], answers: 'some', outbox: [7] },
      'answers from offset 7 on',
    ],
    [
      'the first answer is in the outbox of empty topics',
      { positions: [1], answers: 'none ever', outbox: [0] },
      'answers from offset 0 on',
    ],
    [
      'the database has answered nothing in any lane',
      { positions: [0, 0], answers: 'some' },
      'has answered nothing',
    ],
  ])('%s: the lane refuses', async (_, situation, words) => {
    const { outcome, moved } = await decide(situation);
    expect([outcome, moved]).toEqual([expect.stringContaining(words), []]);
  });

  it('is only a lower bound if the database is one command behind what is published', async () => {
    expect(await decide({ positions: [4], published: [5], answers: 'some' })).toMatchObject({
      outcome: [5],
      moved: [],
    });
  });
});

describe('a lane that another group worked for', () => {
  it.each([
    ['further than this group', 2, [5], 5],
    ['less far than this group', 7, [5], 7],
    ['as far as this group', 5, [5], 5],
  ])('takes the higher offset if that group published %s', async (_, C, published, expected) => {
    const found = await decide({
      committed: [C],
      formerGroup: 'former',
      positions: [7],
      published,
      outbox: [expected],
    });
    expect(found).toEqual({
      outcome: [expected],
      moved: [expected],
      settled: ['group'],
      readings: 1,
    });
  });

  it('remembers the former group while nothing is proven', async () => {
    const situation = {
      committed: [2],
      formerGroup: 'former',
      positions: [4],
      published: [5],
      answers: 'some',
    } as const;
    expect(await decide(situation)).toMatchObject({ outcome: [5], moved: [], settled: [] });
  });
});

describe('a lane that has its own committed offset', () => {
  it('finds the missing offset of another lane, and commits nothing for it', async () => {
    const found = await decide({ committed: [3, null], positions: [3, 6], published: [3, 4] });
    expect(found).toEqual({ outcome: [3, 4], moved: [], settled: [], readings: 1 });
  });

  it.each([
    ['no offset is missing', [3, 4], [10, 10]],
    ['only a partition without commands has no offset', [3, null], [10, 0]],
  ] as const)('reads no answers if %s', async (_, committed, ends) => {
    expect(await decide({ committed, positions: [3, 4], ends })).toMatchObject({
      outcome: [3, committed[1] ?? 0],
      readings: 0,
    });
  });

  it('finds the missing offset of a lane with a single command', async () => {
    expect(
      await decide({ committed: [3, null], positions: [3, 1], published: [3, 1], ends: [10, 1] }),
    ).toMatchObject({ outcome: [3, 1] });
  });
});
