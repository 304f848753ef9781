import { describe, expect, it } from 'vitest';
import {
  FailoverError,
  FencedError,
  SlowTransactionError,
  TooMuchAtOnceError,
  TroubleError,
} from '../../../src/service-layer/errors.ts';
import { ParkingFullError } from '../../../src/service-layer/parking.ts';
import {
  isTransient,
  MAX_RETRIES,
  recover,
  reopenAfterMs,
} from '../../../src/service-layer/recoverability.ts';

const bug = new Error('a handler failed');

describe('after an error', () => {
  it('a TroubleError or FencedError reopens the lane, however often it happens', () => {
    for (const attempts of [1, 10, 10_000]) {
      for (const commandCount of [1, 2_000]) {
        expect(recover(new TroubleError('busy'), attempts, commandCount, 0.5)).toEqual({
          action: 'reopen',
        });
        expect(recover(new FencedError('taken over'), attempts, commandCount, 0.5)).toEqual({
          action: 'reopen',
        });
      }
    }
  });

  it('a handler error among several commands isolates the commands', () => {
    expect(recover(bug, 1, 2, 0.5)).toEqual({ action: 'isolate' });
  });

  it('commands that are too much for one transaction are answered in two halves', () => {
    expect(recover(new TooMuchAtOnceError('too much'), 1, 2, 0.5)).toEqual({ action: 'halve' });
  });

  it('commands that the database is too slow for are halved, then the lane reopens', () => {
    const slow = new SlowTransactionError('the statement took too long');
    expect(recover(slow, 1, 2, 0.5)).toEqual({ action: 'halve' });
    expect(recover(slow, 10_000, 1, 0.5)).toEqual({ action: 'reopen' });
  });

  it('a command that finds no room to be parked is isolated, then the lane reopens', () => {
    const full = new ParkingFullError('1000 commands are parked');
    expect(recover(full, 1, 2, 0.5)).toEqual({ action: 'isolate' });
    expect(recover(full, 1, 1, 0.5)).toEqual({ action: 'reopen' });
  });

  it('a command whose handler fails is retried three times, then dead-lettered', () => {
    const recoveries = [1, 2, 3, 4].map((attempts) => recover(bug, attempts, 1, 1));
    expect(MAX_RETRIES).toBe(3);
    expect(recoveries).toEqual([
      { action: 'retry', afterMs: 100 },
      { action: 'retry', afterMs: 200 },
      { action: 'retry', afterMs: 400 },
      { action: 'dead-letter' },
    ]);
  });
});

it('time helps against trouble and a lost lane, and against nothing else', () => {
  expect(isTransient(new TroubleError())).toBe(true);
  expect(isTransient(new FencedError())).toBe(true);
  expect(isTransient(new TooMuchAtOnceError())).toBe(false);
  expect(isTransient(bug)).toBe(false);
});

describe('a lane that reopens', () => {
  const trouble = new TroubleError('busy');

  it('waits twice as long each time, up to one second', () => {
    expect([1, 2, 3, 20, 1_000_000].map((attempts) => reopenAfterMs(trouble, attempts, 1))).toEqual(
      [100, 200, 400, 1_000, 1_000],
    );
  });

  it('waits another time than the lanes that failed with it', () => {
    expect(reopenAfterMs(trouble, 3, 0)).toBe(200);
    expect(reopenAfterMs(trouble, 3, 1)).toBe(400);
  });

  it('waits longer than a heartbeat after a FencedError', () => {
    expect(reopenAfterMs(new FencedError('taken over'), 1, 0)).toBeGreaterThan(1_000);
  });

  it('waits for no heartbeat after a failover, which leaves no other owner', () => {
    expect(reopenAfterMs(new FailoverError('started again', '1'), 1, 1)).toBe(100);
  });
});
