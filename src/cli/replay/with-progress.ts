import { setTimeout as sleep } from 'node:timers/promises';
import type { RunControl } from '../../replay/run-control.ts';
import { withInterruption } from '../interruption.ts';
import { printJson } from '../output.ts';
import { openMeter } from './meter.ts';
import type { ReplayOptions } from './options.ts';
import type { Workload } from './workload.ts';

/** Keeps the first rates finite. */
const SHORTEST_S = 0.001;

/**
 * Does the work, shows its progress, and limits its rate. SIGINT or SIGTERM aborts the work and
 * prints how to go on.
 * @returns the result and the duration in seconds; null: the work was interrupted
 * @throws what the work throws
 */
export function withProgress<T>(
  workload: Workload,
  { maxRate, json }: ReplayOptions,
  work: (control: RunControl) => Promise<T>,
): Promise<{ readonly result: T; readonly seconds: number } | null> {
  return withInterruption(async (signal) => {
    const meter = await openMeter(workload);
    const startedMs = performance.now();
    const elapsedSeconds = () => (performance.now() - startedMs) / 1_000;
    let count = 0;
    const advance = async (more: number) => {
      count += more;
      const perSecond = Math.round(count / Math.max(SHORTEST_S, elapsedSeconds()));
      meter.show(workload.done + count, perSecond);
      const tooEarlyMs = maxRate === undefined ? 0 : (count / maxRate - elapsedSeconds()) * 1_000;
      if (tooEarlyMs > 0) await sleep(tooEarlyMs, undefined, { signal });
    };
    try {
      const result = await work({ signal, advance });
      return { result, seconds: Math.round(elapsedSeconds() * 10) / 10 };
    } catch (error) {
      if (!signal.aborted) throw error;
      process.exitCode = signal.reason.exitCode;
      const { total, unit, howToGoOn, resume } = workload;
      const done = workload.done + count;
      if (json) printJson({ result: 'interrupted', done, total, resume });
      meter.say(`Interrupted at ${done} of ${total} ${unit}. ${howToGoOn}`);
      return null;
    } finally {
      meter.close();
    }
  });
}
