import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from './backend.ts';

const POLL_MS = 5;

/** Measures the milliseconds from the start of the process to a successful readiness probe. */
export async function measureStartUp(backend: Backend): Promise<Record<string, number>> {
  const startMs = performance.now();
  await using service = await backend.startService();
  while ((await fetch(`${service.url}/readyz`)).status !== 200) await sleep(POLL_MS);
  const readyMs = Math.round(performance.now() - startMs);
  await service.stop();
  return { readyMs };
}
