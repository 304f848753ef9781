/** What was asked for cannot be done: one sentence says why, and what to do. Nothing was changed. */
export class ReplayRefusedError extends Error {
  readonly code = 'replay-refused';
}
