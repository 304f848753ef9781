import { setTimeout as sleep } from 'node:timers/promises';

/** Sleeps. Wakes at once when the lane closes. */
export async function sleepUntilClosing(ms: number, closing: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal: closing }).catch(() => {});
}
