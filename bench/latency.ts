import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceProcess } from '../test/support/service-process.ts';
import type { Backend, OnProgress } from './backend.ts';
import { workloads } from './workload.ts';

const WARM_UP_SECONDS = 3;
const POLL_MS = 100;

/**
 * Measures the latency at a steady rate: from the call that produces a command until a
 * `read_committed` consumer has its event.
 */
export async function measureLatency(
  backend: Backend,
  start: () => Promise<ServiceProcess>,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  onProgress: OnProgress,
): Promise<Record<string, number>> {
  const { stock, order } = workloads.spread;
  await backend.publish(stock);
  await using program = await start();
  while ((await backend.visibleEvents()) < stock.length) await sleep(POLL_MS);

  const producedAtMs = new Map<string, number>();
  const latenciesMs: number[] = [];
  const warmUp = WARM_UP_SECONDS * perSecond;
  const total = warmUp + seconds * perSecond;
  const done = Promise.withResolvers<void>();
  const tail = await backend.broker.tail(backend.config.eventsTopic, 'end', ({ headers }) => {
    const id = String(headers.ce_causationid);
    const atMs = producedAtMs.get(id);
    if (atMs === undefined) return;
    producedAtMs.delete(id);
    if (Number(id.split('-')[1]) >= warmUp) latenciesMs.push(performance.now() - atMs);
    if (latenciesMs.length === total - warmUp) done.resolve();
  });
  const startMs = performance.now();
  const sends: Promise<void>[] = [];
  for (let n = 0; n < total; n += 1) {
    const dueMs = startMs + (n / perSecond) * 1_000;
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    producedAtMs.set(`command-${n}`, performance.now());
    sends.push(backend.publish([order(n)]));
    if (n % perSecond === 0) onProgress(`${n} of ${total} sent`);
  }
  await Promise.all(sends);
  await done.promise;
  await tail.close();
  await program.stop();
  await backend.checkOutcomes(stock.length + total, onProgress);
  latenciesMs.sort((a, b) => a - b);
  const percentile = (share: number) =>
    Math.round((latenciesMs[Math.floor(latenciesMs.length * share)] ?? Number.NaN) * 10) / 10;
  return { p50Ms: percentile(0.5), p99Ms: percentile(0.99), p999Ms: percentile(0.999) };
}
