import type { LanePause } from './lane-store.ts';

/** Says in one sentence which lane is paused, by whom, since when and why. */
export function describePause(partition: number, { by, at, reason }: LanePause): string {
  return `Partition ${partition} is paused by ${by} since ${at} (${reason})`;
}
