import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LaneReport } from '../../../src/entrypoints/lane-report.ts';
import type { MemberView } from '../../../src/service-layer/consumer-group.ts';
import type { LanePause } from '../../../src/service-layer/lane-store.ts';
import { StatusBoard, type StatusSources } from '../../../src/status/status-board.ts';

const AT = '2027-01-15T09:30:00.000Z';
const PAUSE: LanePause = { by: 'the operator', at: AT, reason: 'wrong prices' };
const LANE: LaneReport = {
  partition: 0,
  state: 'working',
  problem: null,
  position: 7,
  committedOffset: 6,
  endOffset: 10,
  lagMessages: 3,
  lagSeconds: 0.5,
  decidedCount: 3,
  lastReopening: { at: AT, cause: 'broker', message: 'No Kafka broker answers' },
  pause: null,
};
const MEMBERS: readonly MemberView[] = [
  { instance: 'one', host: '10.0.0.1', partitions: [0], isThis: true },
  { instance: 'two', host: '10.0.0.2', partitions: [1, 2], isThis: false },
];
const NEVER = new Promise<never>(() => {});

describe('The status of the service', () => {
  let sources: { -readonly [Key in keyof StatusSources]: StatusSources[Key] };
  /** How the broker and the database answer. */
  let answers: Pick<StatusSources, 'readiness' | 'members' | 'parked'>;
  let looks: number;

  beforeEach(() => {
    vi.useFakeTimers();
    looks = 0;
    answers = { readiness: async () => [], members: async () => MEMBERS, parked: async () => 5 };
    sources = {
      service: {
        version: '1.0.0',
        startedAt: AT,
        broker: 'kafka',
        database: 'postgresql',
        topics: { commands: 'commands', events: 'events', deadLetters: 'dead-letters' },
      },
      self: { instance: 'host/1', host: 'host' },
      readiness: () => answers.readiness(),
      lanes: () => {
        looks += 1;
        return [LANE];
      },
      ranges: () => [0, 1, 2, 3].map((partition) => ({ partition, beginning: 0, end: 10 })),
      pauses: () => new Map([[2, PAUSE]]),
      members: () => answers.members(),
      parked: () => answers.parked(),
      deadLetters: () => ({ open: 3, oldestAt: AT }),
      recovery: () => ({ state: 'none', progress: null }),
    };
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Returns the status after this much time, or null if it takes longer. */
  const statusWithin = async (board: StatusBoard, ms: number) => {
    let status: Awaited<ReturnType<StatusBoard['now']>> | null = null;
    void board.now().then((known) => {
      status = known;
    });
    await vi.advanceTimersByTimeAsync(ms);
    return status;
  };

  it('has what all of its sources know', async () => {
    const status = await new StatusBoard(sources).now();
    expect(status).toMatchObject({
      service: { instance: 'one', broker: 'kafka' },
      isReady: true,
      problems: [],
      members: MEMBERS,
      areMembersKnown: true,
      deadLetters: { open: 3, oldestAt: AT, parked: 5 },
      recovery: { state: 'none', progress: null },
    });
    const { pause: _, decidedCount: __, ...own } = LANE;
    expect(status.lanes[0]).toEqual({ ...own, instance: 'one', paused: null });
    expect(
      status.lanes.slice(1).map(({ state, instance, paused }) => [state, instance, paused]),
    ).toEqual([
      ['elsewhere', 'two', null],
      ['paused', 'two', PAUSE],
      ['unassigned', null, null],
    ]);
    expect(status.lanes[1]).toMatchObject({ endOffset: 10, position: null, lagSeconds: null });
  });

  it('has this process alone where the log knows no members', async () => {
    answers = { ...answers, members: async () => null };
    const { members, areMembersKnown, lanes, service } = await new StatusBoard(sources).now();
    expect(areMembersKnown).toBe(false);
    expect(members).toEqual([{ instance: 'host/1', host: 'host', partitions: [0], isThis: true }]);
    expect(service.instance).toBe('host/1');
    expect(lanes.map(({ state }) => state)).toEqual([
      'working',
      'elsewhere',
      'paused',
      'elsewhere',
    ]);
  });

  it('does not wait longer than a second for a silent broker and database', async () => {
    answers = { readiness: () => NEVER, members: () => NEVER, parked: () => NEVER };
    const status = await statusWithin(new StatusBoard(sources), 1_000);
    expect(status).toMatchObject({
      isReady: false,
      problems: ['The log or the database has not answered yet'],
      areMembersKnown: false,
      deadLetters: { parked: null },
    });
  });

  it('keeps what it knew while a question takes long', async () => {
    const board = new StatusBoard(sources);
    await board.now();
    await vi.advanceTimersByTimeAsync(6_000);
    answers = { readiness: () => NEVER, members: () => NEVER, parked: () => NEVER };
    expect(await statusWithin(board, 1_000)).toMatchObject({
      isReady: true,
      members: MEMBERS,
      deadLetters: { parked: 5 },
    });
  });

  it('does not know what a question that failed would have told', async () => {
    answers = { ...answers, parked: () => Promise.reject(new Error('no database')) };
    sources.deadLetters = () => null;
    const { deadLetters } = await new StatusBoard(sources).now();
    expect(deadLetters).toEqual({ open: null, oldestAt: null, parked: null });
  });

  it('is worked out once a second, however many ask', async () => {
    const board = new StatusBoard(sources);
    await Promise.all(Array.from({ length: 20 }, () => board.now()));
    expect(looks).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    await board.now();
    expect(looks).toBe(2);
  });
});
