import { AllocationError, type ErrorCode } from '../domain/errors.ts';
import { FailoverError, FencedError, SlowTransactionError } from './errors.ts';
import { ParkingFullError } from './parking.ts';

/** How many times a lane retries a command whose handler fails, before it writes a dead letter. */
export const MAX_RETRIES = 3;

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** Short, so that a lane works again soon after Kafka has elected a new leader. */
const LONGEST_REOPEN_MS = 1_000;

/** Two heartbeats of the group: by then a fenced owner knows that it has lost its partitions. */
const FENCED_RETRY_MS = 1_000;

/**
 * What helps against an error:
 *
 * - `reopen`: time. The commands are fine, so the same commands are tried again without end.
 * - `halve`: fewer commands in one transaction.
 * - `retry`: perhaps another attempt, because the handler may have met a temporary state.
 * - `operator`: only a person. A lane still retries a command, because its handler may have met a
 *   temporary state. Every other caller gives up at once.
 */
type Remedy = 'reopen' | 'halve' | 'retry' | 'operator';

/** The one table that decides whether trying again can help. */
const REMEDIES: Readonly<Record<ErrorCode, Remedy>> = {
  trouble: 'reopen',
  fenced: 'reopen',
  'too-much-at-once': 'halve',
  unaudited: 'retry',
  unsettled: 'retry',
  config: 'operator',
  interrupted: 'operator',
  'invalid-data': 'operator',
  'invalid-document': 'operator',
  'invalid-database-url': 'operator',
  'invalid-uuid': 'operator',
  'job-running': 'operator',
  'line-differs': 'operator',
  listen: 'operator',
  malformed: 'operator',
  'marked-database': 'operator',
  'message-too-large': 'operator',
  'missing-topic': 'operator',
  'newer-database': 'operator',
  'no-database': 'operator',
  'no-letter': 'operator',
  'no-more-jobs': 'operator',
  'other-log': 'operator',
  'out-of-stock': 'operator',
  'replay-refused': 'operator',
  'resolved-letter': 'operator',
  'too-many-lines': 'operator',
  unfoldable: 'operator',
  usage: 'operator',
  'wrong-edit': 'operator',
  'wrong-selection': 'operator',
};

/** Retries an error that is not the service's own, because a bug may show only in some states. */
function remedyFor(error: unknown): Remedy {
  return error instanceof AllocationError ? REMEDIES[error.code] : 'retry';
}

/** Tells whether time helps. Then a caller may try the same again without end. */
export function isTransient(error: unknown): boolean {
  return remedyFor(error) === 'reopen';
}

/** What a lane does after an error. */
export type Recovery =
  /** Open the lane again. Kafka or the embedded log then delivers the same commands again. */
  | { readonly action: 'reopen' }
  /** Handle the delivery's commands one at a time, to find the one that fails. */
  | { readonly action: 'isolate' }
  /** Handle the first half of the commands in one transaction, and the others in the next. */
  | { readonly action: 'halve' }
  | { readonly action: 'retry'; readonly afterMs: number }
  | { readonly action: 'dead-letter' };

/**
 * Decides what a lane does after an error. This function is pure, so tests cover the whole table.
 *
 * @param attempts how many times in a row the commands have failed, this time included
 * @param commandCount how many commands were handled together
 * @param random 0 to 1: the jitter, which keeps lanes that failed together from retrying together
 */
export function recover(
  error: unknown,
  attempts: number,
  commandCount: number,
  random: number,
): Recovery {
  // Isolate the delivery so that commands before the one without room are still answered.
  if (error instanceof ParkingFullError && commandCount > 1) return { action: 'isolate' };
  // If the lane opened again, the same commands would come again, and be as slow.
  if (error instanceof SlowTransactionError && commandCount > 1) return { action: 'halve' };
  const remedy = remedyFor(error);
  if (remedy === 'reopen') return { action: 'reopen' };
  if (commandCount > 1) return { action: remedy === 'halve' ? 'halve' : 'isolate' };
  return attempts <= MAX_RETRIES
    ? { action: 'retry', afterMs: backoffMs(attempts, random) }
    : { action: 'dead-letter' };
}

/**
 * Returns how many milliseconds a lane, or a step of the start, waits before it tries again. A lane
 * or a step never gives up.
 *
 * @param attempts how many times in a row the lane or the step has failed, this time included
 * @param random 0 to 1: the jitter
 */
export function reopenAfterMs(error: unknown, attempts: number, random: number): number {
  // After a failover no other process owns the lane.
  const hasOtherOwner = error instanceof FencedError && !(error instanceof FailoverError);
  return (
    (hasOtherOwner ? FENCED_RETRY_MS : 0) + Math.min(LONGEST_REOPEN_MS, backoffMs(attempts, random))
  );
}

function backoffMs(attempts: number, random: number): number {
  return (
    Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 10)) *
    (0.5 + random / 2)
  );
}
