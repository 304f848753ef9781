import { Backend, type Servers } from './backend.ts';

/** Milliseconds from starting the process to a readiness probe that succeeds, on an empty database with the embedded broker. */
export async function measureStartUp(servers: Servers): Promise<number> {
  await using backend = await Backend.open('embedded+sqlite', servers);
  const startMs = performance.now();
  await using service = await backend.startService();
  while ((await fetch(`${service.url}/readyz`)).status !== 200);
  const elapsedMs = Math.round(performance.now() - startMs);
  await service.stop();
  return elapsedMs;
}
