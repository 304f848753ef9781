import { describe, expect, it } from 'vitest';
import {
  FailoverError,
  FencedError,
  TooMuchAtOnceError,
  TroubleError,
} from '../../../src/service-layer/errors.ts';
import { ParkingFullError } from '../../../src/service-layer/parking.ts';
import { MAX_RETRIES, recover, reopenAfterMs } from '../../../src/service-layer/recoverability.ts';

const bug = new Error('a handler failed');

describe('after an error', () => {
  it('database or broker trouble never touches the commands, however often it happens and however many there are', () => {
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

  it('a handler that failed somewhere among several commands has them redone one at a time', () => {
    expect(recover(bug, 1, 2, 0.5)).toEqual({ action: 'isolate' });
  });

  it('commands that are too much for one transaction are answered in two halves', () => {
    expect(recover(new TooMuchAtOnceError('too much'), 1, 2, 0.5)).toEqual({ action: 'halve' });
  });

  it('what stands before a command that finds no room among the parked ones is answered, and only then does the lane wait', () => {
    const full = new ParkingFullError('1000 commands are parked');
    expect(recover(full, 1, 2, 0.5)).toEqual({ action: 'isolate' });
    expect(recover(full, 1, 1, 0.5)).toEqual({ action: 'reopen' });
  });

  it('a command on which a handler fails is retried three times, each later than the one before, then dead-lettered', () => {
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

describe('a lane in trouble', () => {
  const trouble = new TroubleError('busy');

  it('waits longer each time, but never longer than five seconds', () => {
    expect([1, 2, 3, 20, 1_000_000].map((attempts) => reopenAfterMs(trouble, attempts, 1))).toEqual(
      [100, 200, 400, 1_000, 1_000],
    );
  });

  it('comes back at another moment than the lanes that failed with it', () => {
    expect(reopenAfterMs(trouble, 3, 0)).toBe(200);
    expect(reopenAfterMs(trouble, 3, 1)).toBe(400);
  });

  it('waits out the heartbeat by which a dismissed owner learns that it is one', () => {
    expect(reopenAfterMs(new FencedError('taken over'), 1, 0)).toBeGreaterThan(1_000);
  });

  it('waits for no heartbeat after a failover: nobody else has the lane', () => {
    expect(reopenAfterMs(new FailoverError('started again', '1'), 1, 1)).toBe(100);
  });
});
