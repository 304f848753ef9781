import { expect, it } from 'vitest';
import { validTimeMs } from '../../../src/messages/valid-time.ts';

const LATEST_MS = 8.64e15;

it.each([
  [0, 0],
  [-1, -1],
  [LATEST_MS, LATEST_MS],
  [LATEST_MS + 1_000, LATEST_MS],
  [-LATEST_MS - 1_000, -LATEST_MS],
  [Number.POSITIVE_INFINITY, LATEST_MS],
])('the timestamp %d is the time %d', (timestampMs, timeMs) => {
  expect(validTimeMs(timestampMs)).toBe(timeMs);
  expect(() => new Date(validTimeMs(timestampMs)).toISOString()).not.toThrow();
});
