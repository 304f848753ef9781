import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { takeOver } from '../../../src/entrypoints/take-over.ts';
import type { GroupPosition } from '../../../src/service-layer/records.ts';

const lane = { topic: 'commands', partition: 0 };

interface Situation {
  /** The committed offset (C) of each partition. */
  readonly committed?: readonly number[];
  /** The position in the database (D) of each partition. */
  readonly positions?: readonly number[];
  readonly beginning?: number;
  readonly end?: number;
  /** The group that the lane's row names when the position is read. */
  readonly owner?: string;
  readonly logId?: string;
}

/** Opens lane 0. Everything stands at 5 unless the situation says otherwise. */
async function open({
  committed = [5, 5],
  positions = [5, 5],
  beginning = 0,
  end = 5,
  owner = 'group',
  logId = 'log',
}: Situation) {
  const lines: string[] = [];
  const steps: string[] = [];
  const step = (what: string) => void steps.push(what);
  const moved: (number | undefined)[] = [];
  const deleted: number[] = [];
  const producer = {
    publish: async (_: unknown, position: GroupPosition | null) =>
      void moved.push(position?.nextOffset),
    close: async () => step('producer closed'),
  };
  const context = {
    group: 'group',
    recoveryAdvice: async () => 'the advice',
    log: pino(
      { level: 'info' },
      { write: (line: string) => void lines.push(JSON.parse(line).msg) },
    ),
    answerContext: { deadLettersTopic: 'dead-letters', eventsTopic: 'events' },
    published: { note() {}, cover: async () => true, covers: () => true },
    broker: {
      openProducer: async () => {
        step('producer opened');
        return producer;
      },
      logId: async () => 'log',
      committedOffsets: async (_group: string, _topic: string, stable?: number) => {
        step(`C read, that of ${stable} stable`);
        return committed;
      },
      offsetRanges: async () => committed.map((_, partition) => ({ partition, beginning, end })),
      maxMessageBytes: async () => 1_000,
    },
    store: {
      bind: async () => {
        step('bound');
        return { logId, formerGroup: null };
      },
      readPosition: async () => {
        step('D read');
        return { nextOffset: positions[0], nextSequence: 1, group: owner };
      },
      readPositions: async () => new Map(positions.entries()),
      readOutbox: async () => null,
      deleteOutbox: async (_: unknown, below: number) => void deleted.push(below),
    },
  } as unknown as LaneContext;
  const outcome = await takeOver(lane, context, {
    signal: new AbortController().signal,
    onProgress: () => {},
    onProducer: () => {},
  }).then(
    ({ readFrom }) => `opened at ${readFrom}`,
    (error: Error) => error.message,
  );
  return { outcome, moved, deleted, steps, log: lines.join('\n') };
}

describe('a lane', () => {
  it('opens without publishing if group, database and end of the partition agree', async () => {
    const opened = await open({});
    expect(opened.outcome).toBe('opened at 5');
    expect(opened.moved).toEqual([]);
    expect(opened.log).not.toContain('left behind');
  });

  it.each([
    [
      'of this lane',
      { committed: [6, 5], end: 6 },
      'offset 5 of commands/0, but the group group has answered up to 6',
    ],
    [
      'of another lane',
      { committed: [5, 6], end: 6 },
      'offset 5 of commands/1, but the group group has answered up to 6',
    ],
  ])('refuses a database that is one command %s behind the group', async (_, situation, words) => {
    expect((await open(situation)).outcome).toContain(words);
  });

  it('publishes one answer if the database is one command ahead of the group', async () => {
    const opened = await open({ positions: [6, 5], end: 6 });
    expect(opened.outcome).toBe('opened at 6');
    expect(opened.moved).toEqual([6]);
    expect(opened.deleted).toEqual([6]);
  });

  it('opens even if another lane is one command ahead', async () => {
    expect(await open({ positions: [5, 6], end: 6 })).toMatchObject({
      outcome: 'opened at 5',
      moved: [],
    });
  });

  it('refuses a database that is one command beyond the end of the partition', async () => {
    expect((await open({ end: 4 })).outcome).toContain(
      'stands at offset 5 of commands/0, but the partition ends at 4',
    );
  });

  it('does not report retention that ends before the next command', async () => {
    expect(await open({ beginning: 5 })).toMatchObject({ outcome: 'opened at 5', log: '' });
    expect(await open({ beginning: 4 })).toMatchObject({ outcome: 'opened at 5', log: '' });
  });

  it('reports the one unanswered command that retention has deleted', async () => {
    expect((await open({ beginning: 6, end: 6 })).log).toContain(
      'Retention has deleted offset 5 of commands/0',
    );
  });

  it('reports the deleted command if it is the second one too', async () => {
    const situation = { committed: [1, 1], positions: [1, 1], end: 2 };
    expect((await open({ ...situation, beginning: 2 })).log).toContain(
      'Retention has deleted offset 1 of commands/0',
    );
    expect((await open({ ...situation, beginning: 1 })).log).toBe('');
  });

  it('fences the former owner, then reads its stable offset, then its position', async () => {
    const { steps } = await open({});
    expect(steps.slice(-4)).toEqual([
      'producer opened',
      'bound',
      'C read, that of 0 stable',
      'D read',
    ]);
  });

  it.each<readonly [string, Situation, string]>([
    ['another group has taken meanwhile', { owner: 'other' }, 'works for the group other by now'],
    ['is in another log', { logId: 'another log' }, 'in another log (another log)'],
    ['the database is too old for', { committed: [6, 5], end: 6 }, 'the database is older'],
    ['was truncated', { end: 4 }, 'the partition ends at 4'],
  ])('that %s closes its producer and publishes nothing', async (_, situation, words) => {
    const { outcome, steps, moved, deleted } = await open({ positions: [5, 5], ...situation });
    expect(outcome).toContain(words);
    expect(steps.at(-1)).toBe('producer closed');
    expect([moved, deleted]).toEqual([[], []]);
  });
});
