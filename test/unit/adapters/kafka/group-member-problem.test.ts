import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import { WatchedMember } from '../../../support/fake-kafka/watched-member.ts';

/** Longer than a rebalance of live members takes. */
const PATIENCE_MS = 15_000;

/** Fakes only the clock that the member measures with. Its timers stay real. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const CASES: readonly (readonly ['JoinGroup' | 'SyncGroup' | 'Heartbeat', ErrorName, string])[] = [
  [
    'JoinGroup',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'JoinGroup was answered COORDINATOR_LOAD_IN_PROGRESS',
  ],
  ['JoinGroup', 'REBALANCE_IN_PROGRESS', 'the group is rebalancing'],
  ['SyncGroup', 'REBALANCE_IN_PROGRESS', 'the group is rebalancing'],
  ['SyncGroup', 'NOT_COORDINATOR', 'SyncGroup: 127.0.0.1'],
  ['Heartbeat', 'COORDINATOR_NOT_AVAILABLE', 'Heartbeat: 127.0.0.1'],
];

it.each(CASES)('%s: %s for 15 s is a problem until it succeeds', async (api, name, words) => {
  await using joined = await WatchedMember.start();
  const { edge, member } = joined;
  if (api === 'Heartbeat') await joined.assigned();
  edge.kafka.on(api, { error: ERRORS[name] }, { isLasting: true });
  const before = edge.kafka.requests(api).length;
  await edge.kafka.seen(api, before + 2);
  vi.advanceTimersByTime(PATIENCE_MS - 1);
  expect(member.problem()).toBeNull();
  vi.advanceTimersByTime(1);
  expect(member.problem()).toContain('has waited 15 s for its assignment');
  expect(member.problem()).toContain(words);
  edge.kafka.heal();
  await eventually(() => expect(member.problem()).toBeNull());
});
