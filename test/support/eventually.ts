import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/**
 * Repeats the check until it passes, and returns its result.
 * @param options.everyMs the pause between two checks. A check that costs the checked much needs a
 * long one, or it slows down what it waits for.
 * @throws the last error of the check when the time is up
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { withinMs = 10_000, everyMs = POLL_MS } = {},
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(everyMs);
  }
}
