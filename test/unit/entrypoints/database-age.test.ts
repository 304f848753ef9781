import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DatabaseAge } from '../../../src/entrypoints/database-age.ts';

describe('A process that looks whether its database has become older', () => {
  const checkDatabaseAge = vi.fn(async () => {});
  let age: DatabaseAge;

  beforeEach(() => {
    vi.useFakeTimers();
    checkDatabaseAge.mockReset();
    age = new DatabaseAge({ checkDatabaseAge });
    age.start();
  });
  afterEach(() => {
    age.close();
    vi.useRealTimers();
  });

  it('looks every 5 s, also after a look that failed', async () => {
    checkDatabaseAge.mockRejectedValueOnce(new Error('the log is away'));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(checkDatabaseAge).toHaveBeenCalledTimes(3);
  });

  it('does not look again before the look under way has ended', async () => {
    const answer = Promise.withResolvers<void>();
    checkDatabaseAge.mockReturnValueOnce(answer.promise);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(checkDatabaseAge).toHaveBeenCalledTimes(1);
    answer.resolve();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(checkDatabaseAge).toHaveBeenCalledTimes(2);
  });

  it('looks no more once it is closed', async () => {
    age.close();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(checkDatabaseAge).not.toHaveBeenCalled();
  });
});
