import { eventually } from './eventually.ts';
import { isWarning, lastWordsOf } from './instance-output.ts';
import type { ReadinessWatch } from './readiness-watch.ts';
import type { ServiceProcess } from './service-process.ts';

/**
 * How long the service may say that it is ready while two of three brokers are away: 30 s, and a
 * margin for a busy machine.
 */
const UNREADY_MS = 45_000;
/**
 * How soon after that the service logs a warning. A producer waits 20 s, and the watchdog of lanes
 * 30 s.
 */
const WARNING_MS = 60_000;

/**
 * Waits until each instance says that it is not ready, and logs a warning, while two of three
 * brokers are away.
 * @param linesBefore the number of lines that each instance had printed before
 * @returns what an instance did not say in time, one text each
 */
export async function missingComplaints(
  instances: readonly ServiceProcess[],
  readiness: ReadinessWatch,
  linesBefore: readonly number[],
): Promise<readonly string[]> {
  const missing: string[] = [];
  const unready = instances.map((instance) => readiness.isUnready(instance, UNREADY_MS));
  for (const [index, problem] of (await Promise.all(unready)).entries()) {
    const report = (what: string) =>
      void missing.push(
        `Two of three brokers are away, and instance ${index} ${what}\n${lastWordsOf(instances)}`,
      );
    if (problem) report(problem);
    const warns = () => {
      const lines = instances[index]?.output.slice(linesBefore[index]) ?? [];
      if (!lines.some(isWarning)) throw new Error(`has logged no warning in ${WARNING_MS} ms`);
    };
    // Readiness may report the problem before the log does.
    await eventually(warns, { withinMs: WARNING_MS }).catch(({ message }: Error) =>
      report(message),
    );
  }
  return missing;
}
