import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../../src/cli/errors.ts';
import { parseBound, parseRange } from '../../../src/cli/replay/options.ts';

/** Returns the error of the work, and the exit code that follows. */
function failureOf(work: () => unknown) {
  try {
    work();
  } catch (error) {
    return { message: (error as Error).message, exitCode: exitCodeOf(error) };
  }
  throw new Error('The work did not fail');
}

describe('A place of a replay', () => {
  it.each([
    ['5000', { offset: 5_000 }],
    ['2026-11-23', { timeMs: Date.UTC(2026, 10, 23) }],
    ['2026-11-23T08:00:00+02:00', { timeMs: Date.UTC(2026, 10, 23, 6) }],
  ])('is an offset or a time: %s', (text, bound) => {
    expect(parseBound(text, Date.UTC(2026, 10, 23, 6))).toEqual(bound);
  });

  it.each([
    ['is neither', 'yesterday', 'yesterday is neither an offset nor a time such as'],
    ['does not exist', '2026-13-01', '2026-13-01 is neither an offset nor a time such as'],
    ['is in the future', '2999-01-01', '2999-01-01 lies in the future: name a time before'],
  ])('that %s is wrong usage', (_, text, message) => {
    for (const work of [
      () => parseBound(text, Date.now()),
      () => parseRange({ from: text }),
      () => parseRange({ to: text }),
    ])
      expect(failureOf(work)).toEqual({ message: expect.stringContaining(message), exitCode: 2 });
  });
});

describe('A range of a replay', () => {
  it.each([
    ['100', '50'],
    ['100', '100'],
    ['2026-11-24', '2026-11-23'],
  ])('in which no record can lie is wrong usage: %s to %s', (from, to) => {
    const message = expect.stringContaining('is an empty range');
    expect(failureOf(() => parseRange({ from, to }))).toEqual({ message, exitCode: 2 });
  });
});
