import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Reading } from '../../../../src/entrypoints/metrics/reading.ts';

describe('A reading for the metrics', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  it('gives the answer of the scrape before, and nothing after a failure', async () => {
    const answers = [7, new Error('The database is gone'), 8];
    const reading = new Reading(async () => {
      const answer = answers.shift() ?? 0;
      if (answer instanceof Error) throw answer;
      return answer;
    });
    const taken: (number | null)[] = [];
    for (let scrape = 0; scrape < 4; scrape += 1) {
      taken.push(reading.take());
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(taken).toEqual([null, 7, null, 8]);
  });

  it('asks once while no answer comes, and forgets the last one after two minutes', async () => {
    let questions = 0;
    const answers = [Promise.resolve(7), new Promise<number>(() => {})];
    const reading = new Reading(() => {
      questions += 1;
      return answers.shift() ?? Promise.resolve(0);
    });
    reading.take();
    await vi.advanceTimersByTimeAsync(0);
    expect([reading.take(), reading.take()]).toEqual([7, 7]);
    await vi.advanceTimersByTimeAsync(119_000);
    expect(reading.take()).toBe(7);
    await vi.advanceTimersByTimeAsync(2_000);
    expect([reading.take(), questions]).toEqual([null, 2]);
  });
});
