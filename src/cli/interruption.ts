import { AllocationError } from '../domain/errors.ts';
import { exitCodeOfSignal } from '../signals.ts';

/** The process has received SIGINT (Ctrl-C) or SIGTERM. */
export class InterruptedError extends AllocationError {
  override readonly code = 'interrupted';
  /** The exit code that a shell reports for a process that the signal has ended. */
  readonly exitCode: number;

  constructor(message: string, signal: NodeJS.Signals) {
    super(message);
    this.exitCode = exitCodeOfSignal(signal);
  }
}

/**
 * Does work that SIGINT and SIGTERM abort. A second signal ends the process at once.
 *
 * @param work gets a signal that aborts with an `InterruptedError`
 * @param advice how to go on after an interruption; absent: the work says that itself
 */
export async function withInterruption<T>(
  work: (signal: AbortSignal) => Promise<T>,
  advice?: string,
): Promise<T> {
  const interruption = new AbortController();
  const message = advice === undefined ? 'Interrupted' : `Interrupted: ${advice}`;
  const interrupt = (signal: NodeJS.Signals) =>
    interruption.abort(new InterruptedError(message, signal));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await work(interruption.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}
