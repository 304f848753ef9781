import { exitCodeOfSignal, SAME_SIGNAL_MS } from '../signals.ts';

/**
 * Ends the process on SIGINT and SIGTERM, unless its command handles them. Otherwise the first
 * process of a container would ignore both.
 */
export function endOnSignals(): void {
  let handledAtMs = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) > 1) handledAtMs = performance.now();
      else if (performance.now() - handledAtMs > SAME_SIGNAL_MS)
        process.exit(exitCodeOfSignal(signal));
    });
  }
}
