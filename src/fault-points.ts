/**
 * The places between two steps of a message's way in and out, in their order. A test makes a process die, throw or stall at one
 * of them (`test/simulation`); in the service nobody is there, and passing costs a look at a variable, once per batch.
 */
export const FAULT_POINTS = [
  // A lane opens (take-over.ts, lost-offset.ts).
  'partition-assigned',
  'producer-opened',
  'log-claimed',
  'committed-offset-read',
  'position-read',
  'lost-offset-committed',
  'left-behind-read',
  'left-behind-published',
  'left-behind-deleted',
  'lane-opened',
  // A delivery comes in (lane.ts, answer-batch.ts, lane-store.ts).
  'delivered',
  'decoded',
  'lane-locked',
  'loaded',
  'failure-claimed',
  'handled',
  'aggregates-written',
  'progress-written',
  'database-committed',
  // Its answers go out (outbox-relay.ts; the steps in the middle belong to the broker).
  'chunk-taken',
  'transaction-joined',
  'records-sent',
  'offset-sent',
  'broker-committed',
  // A lane closes (lane.ts).
  'partition-revoked',
  'relay-drained',
  'outbox-emptied',
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Who is told of each passing, and may throw, block or end the process. */
export const faults: { at: ((point: FaultPoint) => void) | null } = { at: null };

/** A message, or a lane, is about to go from one step to the next. @throws what a test throws there */
export function passing(point: FaultPoint): void {
  faults.at?.(point);
}
