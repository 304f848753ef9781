/**
 * The places between two steps of a message's way in and out, in their order. A test makes a
 * process die, throw or stall at one of them (`test/simulation`). In the service, each place costs
 * one look at a variable per delivery, because no function is set.
 */
export const FAULT_POINTS = [
  // A lane opens (take-over.ts, lost-offset.ts, left-behind.ts).
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
  // A delivery comes in (lane-work.ts, answer-delivery.ts, sql-lane-store.ts).
  'delivered',
  'decoded',
  'lane-locked',
  'loaded',
  'failure-claimed',
  'handled',
  'aggregates-written',
  'progress-written',
  'database-committed',
  // Its answers go out (outbox-relay.ts). The steps in the middle belong to the broker.
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

/** The name of one of these places. */
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Holds the function `at` that a test runs at each fault point. It may throw, block or exit. */
export const faults: { at: ((point: FaultPoint) => void) | null } = { at: null };

/**
 * Marks that a message, or a lane, is about to go from one step to the next.
 *
 * @throws what a test throws there
 */
export function reachFaultPoint(point: FaultPoint): void {
  faults.at?.(point);
}
