import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LaneRefusedError, OlderDatabaseError } from '../../../src/entrypoints/lane-refusal.ts';
import { LaneReports } from '../../../src/entrypoints/lane-report.ts';
import type { ObservedLane } from '../../../src/entrypoints/lane-watch.ts';
import { causeOf, OtherLaneError } from '../../../src/entrypoints/reopening.ts';
import { UnansweredCommands } from '../../../src/entrypoints/unanswered-commands.ts';
import {
  DatabaseTroubleError,
  FailoverError,
  FencedError,
  SlowTransactionError,
  TroubleError,
} from '../../../src/service-layer/errors.ts';
import { ParkingFullError } from '../../../src/service-layer/parking.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

const PAUSE = { by: 'the operator', at: '2027-01-15T09:30:00.000Z', reason: 'wrong prices' };
const WORKING: ObservedLane = {
  partition: 1,
  nextOffset: 7,
  readBelowOffset: 9,
  problem: null,
  awaited: null,
  publishing: null,
  pause: null,
  refusal: null,
  decidedCount: 3,
  publishedBelowOffset: 6,
  oldestUnansweredMs: null,
  lastReopening: null,
};

describe('The report of a lane', () => {
  let lane: ObservedLane;
  let stuck: Set<number>;
  let range: { partition: number; beginning: number; end: number };
  let headSentMs: number | null;

  beforeEach(() => {
    vi.useFakeTimers({ now: 100_000 });
    lane = WORKING;
    stuck = new Set();
    range = { partition: 1, beginning: 0, end: 10 };
    headSentMs = null;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const report = (changes: Partial<ObservedLane> = {}) => {
    lane = { ...lane, ...changes };
    const [only] = new LaneReports(() => [lane], {
      stuckPartitions: stuck,
      ranges: [range],
      headSentMs: () => headSentMs,
    }).now();
    return only;
  };

  it('has an end that is not behind the lane, which may be further than the last look', () => {
    expect(report({ nextOffset: 12 })).toMatchObject({ endOffset: 12, lagMessages: 0 });
  });

  it('has where the lane stands, and how far the partition goes on', () => {
    expect(report()).toMatchObject({
      partition: 1,
      state: 'working',
      position: 7,
      committedOffset: 6,
      endOffset: 10,
      lagMessages: 3,
    });
  });

  it('counts no offset that retention has deleted', () => {
    range = { partition: 1, beginning: 9, end: 10 };
    expect(report()?.lagMessages).toBe(1);
  });

  it('has no lag of a lane that never worked, or of a partition without a known end', () => {
    const never = { nextOffset: null, publishedBelowOffset: null, problem: 'the lane is opening' };
    expect(report(never)).toMatchObject({ lagMessages: null, lagSeconds: null });
    range = { ...range, partition: 2 };
    expect(report({ nextOffset: 7 })).toMatchObject({ lagMessages: null, endOffset: null });
  });

  it('has the age of the oldest command without an answer', () => {
    expect(report({ oldestUnansweredMs: 97_500 })?.lagSeconds).toBe(2.5);
    expect(report({ oldestUnansweredMs: 200_000 })?.lagSeconds).toBe(0);
    expect(report({ oldestUnansweredMs: null })?.lagSeconds).toBe(0);
    headSentMs = 60_000;
    expect(report()?.lagSeconds).toBe(40);
  });

  it('has one state, the first that fits', () => {
    expect(report({ problem: 'away' })?.state).toBe('opening');
    stuck.add(1);
    expect(report()?.state).toBe('stuck');
    expect(report({ pause: PAUSE })?.state).toBe('paused');
    expect(report({ refusal: 'another log' })?.state).toBe('refused');
  });
});

it('the lanes are reported in the order of their partitions', () => {
  const lanes = [3, 1, 2].map((partition) => ({ ...WORKING, partition }));
  const watched = { stuckPartitions: new Set<number>(), ranges: [], headSentMs: () => null };
  const reports = new LaneReports(() => lanes, watched).now();
  expect(reports.map(({ partition }) => partition)).toEqual([1, 2, 3]);
});

describe('The oldest unanswered command', () => {
  const record = (offset: number) => ({ offset, timestampMs: offset * 10 }) as ReceivedRecord;

  it('is the first of those that wait for their publication, then the one in hand', () => {
    const unanswered = new UnansweredCommands();
    expect(unanswered.oldestMs).toBeNull();
    unanswered.noteFirst(record(5));
    unanswered.noteDecided(7);
    unanswered.noteFirst(record(7));
    expect(unanswered.oldestMs).toBe(50);
    unanswered.notePublished(6);
    expect(unanswered.oldestMs).toBe(50);
    unanswered.notePublished(7);
    expect(unanswered.oldestMs).toBe(70);
    unanswered.noteDecided(8);
    unanswered.noteFirst(undefined);
    expect(unanswered.oldestMs).toBe(70);
    unanswered.notePublished(8);
    expect(unanswered.oldestMs).toBeNull();
  });

  it('is the first whose answer is not published', () => {
    const unanswered = new UnansweredCommands();
    for (const offset of [5, 6]) {
      unanswered.noteFirst(record(offset));
      unanswered.noteDecided(offset + 1);
    }
    unanswered.noteFirst(undefined);
    unanswered.noteDecided(8);
    unanswered.notePublished(6);
    expect(unanswered.oldestMs).toBe(60);
  });

  it('survives a reopening, unless the opening has published its answer', () => {
    const unanswered = new UnansweredCommands();
    unanswered.noteFirst(record(5));
    unanswered.noteDecided(6);
    unanswered.noteFirst(record(6));
    unanswered.notePublished(6);
    expect(unanswered.oldestMs).toBe(60);
    unanswered.notePublished(7);
    expect(unanswered.oldestMs).toBeNull();
  });
});

describe('The cause of a reopening', () => {
  it.each([
    [new FailoverError('', undefined), 'failover'],
    [new FencedError(), 'fenced'],
    [new OlderDatabaseError(), 'older-database'],
    [new LaneRefusedError(), 'refused'],
    [new OtherLaneError(), 'other-lane'],
    [new ParkingFullError(), 'other'],
    [new SlowTransactionError(), 'database'],
    [new DatabaseTroubleError(), 'database'],
    [new TroubleError(), 'broker'],
    [new TypeError(), 'other'],
  ] as const)('of %o is %s', (error, cause) => {
    expect(causeOf(error)).toBe(cause);
  });
});
