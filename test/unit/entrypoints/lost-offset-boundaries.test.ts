import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { knownOffsets, type OpeningLane } from '../../../src/entrypoints/lost-offset.ts';
import type { GroupPosition, Partition } from '../../../src/service-layer/records.ts';

/** Lane 0 opens; everything is about it where no list says otherwise. The partitions end at 10. */
interface Situation {
  /** C of each lane; null: lost. */
  readonly committed?: readonly (number | null)[];
  readonly formerGroup?: string;
  /** D of each lane. */
  readonly positions: readonly number[];
  /** Of each lane: the offset behind its highest published answer. */
  readonly published?: readonly number[];
  /** What the topics of the answers still have. */
  readonly answers?: 'all' | 'some' | 'none ever';
  /** The commands whose answers are in the outbox. */
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
    answered: {
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
      // One command at a time: the caller must ask again for the rest.
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
  [
    'all answers are out, and the last command is answered',
    { positions: [10], published: [10] },
    10,
  ],
  ['all answers are out', { positions: [5], published: [5] }, 5],
  ['one answer waits', { positions: [6], published: [5], outbox: [5] }, 5],
  ['one command more was handled, without an answer', { positions: [6], published: [5] }, 6],
  [
    'the first commands without an answer, then one that waits',
    { positions: [8], published: [5], outbox: [7] },
    7,
  ],
  ['a row that is out is still in the outbox', { positions: [6], published: [5], outbox: [4] }, 6],
  ['no answer is out, and the first waits', { positions: [1], published: [0], outbox: [0] }, 0],
  ['the database lacks the last answer that is out', { positions: [4], published: [5] }, 5],
];

const SOME_DELETED: readonly Row[] = [
  [
    'the database stands where the last known answer is',
    { positions: [5], published: [5], answers: 'some' },
    5,
  ],
  [
    'it stands one further, and nothing waits',
    { positions: [6], published: [5], answers: 'some' },
    6,
  ],
  [
    'only a row that is out is in the outbox',
    { positions: [6], published: [5], answers: 'some', outbox: [4] },
    6,
  ],
  ['it has handled one command, without an answer', { positions: [1], answers: 'none ever' }, 1],
  [
    'it has handled nothing here, but something elsewhere',
    { positions: [0, 1], answers: 'some' },
    0,
  ],
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
      'an answer is out to a command beyond the end',
      { positions: [10], published: [11] },
      'ends at 10, but answers to its commands up to 10',
    ],
    [
      'one answer waits',
      { positions: [6], published: [5], answers: 'some', outbox: [5] },
      'answers from offset 5 on',
    ],
    [
      'the last answer waits',
      { positions: [8], published: [5], answers: 'some', outbox: [7] },
      'answers from offset 7 on',
    ],
    [
      'the first waits, and the topics are empty',
      { positions: [1], answers: 'none ever', outbox: [0] },
      'answers from offset 0 on',
    ],
    [
      'the database has answered nothing, in any lane',
      { positions: [0, 0], answers: 'some' },
      'has answered nothing',
    ],
  ])('in doubt (%s), the lane refuses and commits nothing', async (_, situation, words) => {
    const { outcome, moved } = await decide(situation);
    expect([outcome, moved]).toEqual([expect.stringContaining(words), []]);
  });

  it('one command behind what is known to be out, C is a lower bound only, and not committed', async () => {
    expect(await decide({ positions: [4], published: [5], answers: 'some' })).toMatchObject({
      outcome: [5],
      moved: [],
    });
  });
});

describe('a lane that another group worked for', () => {
  it.each([
    ['further than this one', 2, [5], 5],
    ['less far than this one', 7, [5], 7],
    ['as far as this one', 5, [5], 5],
  ])(
    'has published %s: the higher place counts, and the former group is forgotten',
    async (_, C, published, expected) => {
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
    },
  );

  it('keeps the former group in mind while nothing is proven', async () => {
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

describe('a lane whose own committed offset is there', () => {
  it('finds what another lane has published whose offset is missing, and commits nothing for it', async () => {
    const found = await decide({ committed: [3, null], positions: [3, 6], published: [3, 4] });
    expect(found).toEqual({ outcome: [3, 4], moved: [], settled: [], readings: 1 });
  });

  it.each([
    ['each is there', [3, 4], [10, 10]],
    ['only that of a partition without commands is missing', [3, null], [10, 0]],
  ] as const)('reads no answers where %s', async (_, committed, ends) => {
    expect(await decide({ committed, positions: [3, 4], ends })).toMatchObject({
      outcome: [3, committed[1] ?? 0],
      readings: 0,
    });
  });

  it('reads the answers from the first command of another lane on', async () => {
    expect(
      await decide({ committed: [3, null], positions: [3, 1], published: [3, 1], ends: [10, 1] }),
    ).toMatchObject({ outcome: [3, 1] });
  });
});
