import { describe, expect, it } from 'vitest';
import { clockFindings } from '../../../src/cli/doctor/clock.ts';

/** A database whose clock is ahead of ours. */
const ahead = (ms: number) => ({
  query: async <Row>() => [{ ms: String(Date.now() + ms) }] as Row[],
});

describe('the clock of the database', () => {
  it.each([0, 4_000, -4_000])('may be %i ms ahead', async (ms) => {
    expect(await clockFindings(ahead(ms))).toEqual([]);
  });

  it.each([
    [60_000, /^its clock is (59\.\d|60\.0) s ahead of that of this machine$/],
    [-60_000, /^its clock is (59\.\d|60\.0) s behind that of this machine$/],
  ])('must not be %i ms ahead', async (ms, problem) => {
    expect(await clockFindings(ahead(ms))).toMatchObject([
      {
        problem: expect.stringMatching(problem),
        remedy: expect.stringContaining('time server'),
      },
    ]);
  });

  it('is not blamed for a slow answer', async () => {
    const query = async <Row>() => {
      const ms = String(Date.now());
      const endMs = Date.now() + 50;
      while (Date.now() < endMs) await new Promise(setImmediate);
      return [{ ms }] as Row[];
    };
    expect(await clockFindings({ query })).toEqual([]);
  });
});
