import { lanesAtWork } from './command-flow.ts';
import type { ServiceProcess } from './service-process.ts';

/** How many lines of the output of each instance a finding quotes. */
const LINES = 60;
/** The level of a warning in the log. */
const WARNING = 40;

/** Returns what each instance reports about itself. */
export async function stateOf(instances: readonly ServiceProcess[]): Promise<string> {
  const states = instances.map(async ({ url }, index) => {
    const [lanes, readiness] = await Promise.all([
      lanesAtWork(url).catch(String),
      fetch(`${url}/readyz`).then((r) => r.text(), String),
    ]);
    return `instance ${index}: ${lanes} lanes work; /readyz: ${readiness}`;
  });
  return (await Promise.all(states)).join('\n');
}

/**
 * Returns the last lines of each instance.
 * @param from the number of earlier lines to skip, by instance
 */
export function lastWordsOf(
  instances: readonly ServiceProcess[],
  from: readonly number[] = [],
): string {
  const words = ({ output }: ServiceProcess, index: number) =>
    output.slice(from[index]).filter(isAboutItself).slice(-LINES);
  return instances.map((instance, index) => words(instance, index).join('\n')).join('\n\n');
}

/**
 * Tells whether a line is about the instance itself. Most lines are about an order, because
 * products run out of stock all the time.
 */
function isAboutItself(line: string): boolean {
  return !line.includes('"orderid"');
}

/** Tells whether a line is a warning of the instance about itself. */
export function isWarning(line: string): boolean {
  return isAboutItself(line) && line.startsWith('{') && Number(JSON.parse(line).level) >= WARNING;
}

/**
 * Tells whether an instance has logged that Kafka took very long to end a transaction.
 * @param from the number of earlier lines to skip, by instance
 */
export function isEndingTransaction(
  instances: readonly ServiceProcess[],
  from: readonly number[],
): boolean {
  return instances.some(({ output }, index) =>
    output.slice(from[index]).some((line) => line.includes('Kafka still ends the former')),
  );
}
