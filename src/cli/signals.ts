import { constants } from 'node:os';

/**
 * Ends the process on SIGINT and SIGTERM, unless its command handles them. As the first process of
 * a container, a process would otherwise ignore both.
 */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}
