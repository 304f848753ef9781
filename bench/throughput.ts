import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backend, type BackendName, type Servers } from './backend.ts';
import { order, stock } from './workload.ts';

const PUBLISH_AT_ONCE = 5_000;
const POLL_MS = 100;

export interface Throughput {
  readonly commandsPerSecond: number;
  /** From the second fifth on: the process is warm. */
  readonly warmCommandsPerSecond: number;
  readonly peakMemoryMegabytes: number;
}

/**
 * Preloads the commands, starts the service, and times how fast its group moves to the end, from the moment that the service
 * says it is ready: before its first lane is open. Then reads the events as a `read_committed` consumer does.
 * @throws when an outcome is missing, or there twice
 */
export async function measureThroughput(
  name: BackendName,
  servers: Servers,
  commands: number,
  onProgress: (text: string) => void,
): Promise<Throughput> {
  await using backend = await Backend.open(name, servers);
  const preloaded = stock();
  await backend.publish(preloaded);
  for (let start = 0; start < commands; start += PUBLISH_AT_ONCE) {
    await backend.publish(Array.from({ length: Math.min(PUBLISH_AT_ONCE, commands - start) }, (_, index) => order(start + index)));
    onProgress(`preloading ${start + PUBLISH_AT_ONCE}`);
  }
  const total = preloaded.length + commands;

  await using service = await backend.startService();
  const samples: Sample[] = [{ atMs: performance.now(), answered: 0 }];
  for (let answered = 0; answered < total; ) {
    await sleep(POLL_MS);
    answered = await backend.answered();
    samples.push({ atMs: performance.now(), answered });
    onProgress(`${answered} of ${total} answered`);
  }
  const peakMemoryMegabytes = await peakMemory(service.pid);
  await service.stop();
  await checkOutcomes(backend, total, onProgress);

  const warmFrom = samples.find(({ answered }) => answered >= total / 5);
  return {
    commandsPerSecond: rate(samples[0], samples.at(-1)),
    warmCommandsPerSecond: rate(warmFrom, samples.at(-1)),
    peakMemoryMegabytes,
  };
}

interface Sample {
  readonly atMs: number;
  readonly answered: number;
}

function rate(from: Sample | undefined, to: Sample | undefined): number {
  return from && to && to.atMs > from.atMs ? Math.round(((to.answered - from.answered) / (to.atMs - from.atMs)) * 1_000) : Number.NaN;
}

/** The largest resident set that Linux saw; NaN elsewhere. */
async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024);
}

async function checkOutcomes(backend: Backend, total: number, onProgress: (text: string) => void): Promise<void> {
  const answered = new Set<string>();
  let events = 0;
  const done = Promise.withResolvers<void>();
  const tail = await backend.broker.tail(backend.config.eventsTopic, 'beginning', ({ headers }) => {
    events += 1;
    answered.add(String(headers.ce_causationid));
    if (events % 10_000 === 0) onProgress(`checking ${events}`);
    if (answered.size === total) done.resolve();
  });
  const timer = setTimeout(() => done.reject(new Error(`Only ${answered.size} of ${total} commands have an outcome`)), 120_000);
  try {
    await done.promise;
  } finally {
    clearTimeout(timer);
    await tail.close();
  }
  if (events !== total) throw new Error(`${events} outcomes for ${total} commands`);
}
