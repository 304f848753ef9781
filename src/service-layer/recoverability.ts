import { FailoverError, FencedError, TooMuchAtOnceError, TroubleError } from './errors.ts';
import { ParkingFullError } from './parking.ts';

/** How many times a command on which a handler fails is tried again, by itself, before it goes to the dead letters. */
export const MAX_RETRIES = 3;

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** How seldom a lane in trouble looks again: it works soon after a new leader is elected. */
const LONGEST_REOPEN_MS = 1_000;

/** Two of the group's heartbeats: a dismissed owner learns of it before it would take the lane back. */
const FENCED_RETRY_MS = 1_000;

export type Recovery =
  /** Nothing is wrong with the messages: the lane opens again, and they come again. */
  | { readonly action: 'reopen' }
  /** Something is wrong with one of the batch: handle its commands one at a time, to find which. */
  | { readonly action: 'isolate' }
  /** They are too much for one transaction: half of them first, then the others. */
  | { readonly action: 'halve' }
  | { readonly action: 'retry'; readonly afterMs: number }
  | { readonly action: 'dead-letter' };

/**
 * What to do after an error. Pure, so that the whole table can be tested.
 *
 * @param attempts how many times in a row it has failed, this one included
 * @param commandCount how many commands were handled together
 * @param random 0 to 1: the jitter, so that lanes that failed together do not come back together
 */
export function recover(
  error: unknown,
  attempts: number,
  commandCount: number,
  random: number,
): Recovery {
  // What stands before the one that finds no room is answered yet.
  if (error instanceof ParkingFullError && commandCount > 1) return { action: 'isolate' };
  if (error instanceof TroubleError || error instanceof FencedError) return { action: 'reopen' };
  if (commandCount > 1)
    return { action: error instanceof TooMuchAtOnceError ? 'halve' : 'isolate' };
  return attempts <= MAX_RETRIES
    ? { action: 'retry', afterMs: backoffMs(attempts, random) }
    : { action: 'dead-letter' };
}

/**
 * How long a lane in trouble waits before it opens again. It never gives up. After a failover there
 * is no other owner to wait for.
 */
export function reopenAfterMs(error: unknown, attempts: number, random: number): number {
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
