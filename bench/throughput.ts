import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceProcess } from '../test/support/service-process.ts';
import type { Backend, OnProgress } from './backend.ts';

const POLL_MS = 100;
const SETTLED_MS = 500;
const STALLED_MS = 60_000;
/** The unit of `/proc/<pid>/stat` (`getconf CLK_TCK`). */
const CLOCK_TICK_MS = 10;

/** The commands to answer, and the outcomes to expect. */
export interface Load {
  /** The number of commands in the topic, including repeated ones. */
  readonly commands: number;
  /** The number of commands that get an outcome. */
  readonly outcomes: number;
}

interface Sample {
  readonly atMs: number;
  readonly visible: number;
  readonly peakMegabytes: number;
  readonly cpuMs: number;
}

/**
 * Measures how fast the outcomes of preloaded commands become visible to `read_committed`
 * consumers, from the moment that the program says it is ready. Then waits until no further outcome
 * comes.
 * @throws when outcomes are missing and nothing more comes
 */
export async function measureThroughput(
  backend: Backend,
  start: () => Promise<ServiceProcess>,
  { commands, outcomes }: Load,
  onProgress: OnProgress,
): Promise<Record<string, number>> {
  const before = await backend.visibleEvents();
  await using program = await start();
  const sample = async (visible: number): Promise<Sample> => ({
    atMs: performance.now(),
    visible,
    peakMegabytes: await peakMegabytes(program.pid),
    cpuMs: await cpuMs(program.pid),
  });
  const samples: [Sample, ...Sample[]] = [await sample(0)];
  for (
    let [seen, movedAtMs] = [0, performance.now()];
    seen < outcomes || performance.now() - movedAtMs < SETTLED_MS;
  ) {
    await sleep(POLL_MS);
    const visible = (await backend.visibleEvents()) - before;
    if (visible > seen) [seen, movedAtMs] = [visible, performance.now()];
    if (performance.now() - movedAtMs > STALLED_MS)
      throw new Error(`Nothing more came after ${seen} of ${outcomes} outcomes`);
    samples.push(await sample(visible));
    onProgress(`${visible} of ${outcomes} outcomes visible`);
  }
  await program.stop();

  const all = samples.at(-1)?.visible ?? 0;
  const last = samples.find(({ visible }) => visible === all) as Sample;
  // The program counts as warm from the second fifth on.
  const warm = samples.find(({ visible }) => visible >= all / 5) as Sample;
  const perSecond = (from: Sample) =>
    Math.round((commands * 1_000 * (last.visible - from.visible)) / all / (last.atMs - from.atMs));
  return {
    commandsPerSecond: perSecond(samples[0]),
    warmCommandsPerSecond: perSecond(warm),
    cpuMicrosecondsPerCommand: Math.round(((last.cpuMs - samples[0].cpuMs) * 1_000) / commands),
    peakMegabytes: last.peakMegabytes,
    peakMegabytesOfFirstFifth: warm.peakMegabytes,
  };
}

/** Returns the peak resident set of the process on Linux, NaN elsewhere. */
async function peakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024);
}

/** Returns the processor time of all threads of the process so far on Linux, NaN elsewhere. */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program, in brackets, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}
