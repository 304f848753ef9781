import { createInterface } from 'node:readline/promises';
import { print, printJson } from '../output.ts';
import type { ReplayOptions } from './options.ts';

/**
 * Shows the plan. Without --execute, asks on a terminal whether to go ahead.
 *
 * @returns whether to act
 */
export async function confirmPlan(
  plan: Readonly<Record<string, string | number>>,
  { execute, json }: ReplayOptions,
): Promise<boolean> {
  if (json) printJson({ plan, execute });
  else {
    const width = Math.max(...Object.keys(plan).map((name) => name.length));
    for (const [name, value] of Object.entries(plan)) print(`${name.padEnd(width)}  ${value}`);
  }
  if (execute) return true;
  if (!json && process.stdin.isTTY && process.stdout.isTTY) {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await terminal.question('\nGo ahead? (y/N) ');
    terminal.close();
    if (/^y(es)?$/i.test(answer.trim())) return true;
  }
  if (!json) print('\nNothing is done. To do it, add --execute');
  return false;
}
