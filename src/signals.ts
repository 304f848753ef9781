import { constants } from 'node:os';

/** npm repeats a signal that the process group has received. Two this close are one signal. */
export const SAME_SIGNAL_MS = 300;

/** Returns the exit code that a shell reports for a process that the signal has ended. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
