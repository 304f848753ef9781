import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LaneReport } from '../../../src/entrypoints/lane-report.ts';
import { RecentHistory } from '../../../src/status/recent-history.ts';

let lanes: Pick<LaneReport, 'partition' | 'decidedCount' | 'lagSeconds'>[];
let recent: RecentHistory;

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  lanes = [];
  recent = new RecentHistory(() => lanes as LaneReport[]);
  recent.start();
});
afterEach(() => {
  recent.close();
  vi.useRealTimers();
});

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
const rates = () => recent.history.points.map(({ commandsPerSecond }) => commandsPerSecond);

it('has a point every five seconds: what all lanes decided, and the longest lag', async () => {
  lanes = [
    { partition: 0, decidedCount: 10, lagSeconds: 0.5 },
    { partition: 1, decidedCount: 40, lagSeconds: 2.71449 },
  ];
  await pass(5);
  expect(recent.history).toEqual({
    stepSeconds: 5,
    points: [{ at: '1970-01-01T00:00:05.000Z', commandsPerSecond: 10, lagSeconds: 2.71 }],
  });
});

it('counts only what is new, and a lane that comes back from its beginning', async () => {
  lanes = [{ partition: 0, decidedCount: 10, lagSeconds: 0 }];
  await pass(5);
  lanes = [{ partition: 0, decidedCount: 15, lagSeconds: 0 }];
  await pass(5);
  lanes = [];
  await pass(5);
  lanes = [{ partition: 0, decidedCount: 5, lagSeconds: 0 }];
  await pass(5);
  expect(rates()).toEqual([2, 1, 0, 1]);
});

it('has no lag while no lane knows its own', async () => {
  lanes = [{ partition: 0, decidedCount: 0, lagSeconds: null }];
  await pass(5);
  expect(recent.history.points[0]?.lagSeconds).toBeNull();
});

it('keeps one hour', async () => {
  await pass(3_700);
  const { points } = recent.history;
  expect([points.length, points[0]?.at]).toEqual([720, '1970-01-01T00:01:45.000Z']);
});
