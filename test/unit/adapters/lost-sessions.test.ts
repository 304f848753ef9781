import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { endLostSessions } from '../../../src/adapters/database/connection/lost-sessions.ts';

/** How far the clock moves while one attempt waits for PostgreSQL. */
const ATTEMPT_MS = 50_000;
const MINUTE_MS = 60_000;

describe('Ending the sessions of lost connections', () => {
  let startMs: number;
  let attempts: number;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    startMs = Date.now();
    attempts = 0;
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** PostgreSQL answers nothing for so long. */
  const silentFor = (ms: number) => async () => {
    attempts += 1;
    if (Date.now() - startMs >= ms) return [];
    vi.setSystemTime(Date.now() + ATTEMPT_MS);
    throw new Error('timeout expired');
  };

  it('succeeds at once when PostgreSQL can be reached', async () => {
    await endLostSessions(silentFor(0), () => true);
    expect(attempts).toBe(1);
  });

  it('succeeds after a silence of more than a minute', async () => {
    await endLostSessions(silentFor(2 * ATTEMPT_MS), () => true);
    expect(attempts).toBe(3);
  });

  it('gives up after two minutes of silence', async () => {
    await endLostSessions(silentFor(10 * MINUTE_MS), () => true);
    expect(attempts).toBe(3);
    expect(Date.now() - startMs).toBe(3 * ATTEMPT_MS);
  });

  it('gives up when the database is closed', async () => {
    await endLostSessions(silentFor(10 * MINUTE_MS), () => attempts === 0);
    expect(attempts).toBe(1);
  });
});
