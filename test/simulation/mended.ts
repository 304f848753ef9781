/** Faults of the service that are mended elsewhere: what shows one of them is left out until its mend is here. */
export const isMended = {
  /** A lane knows what to make of a missing committed offset, and leaves no row in the outbox when it stops in order. */
  lostOffsets: true,
  /** A lane that has read what was truncated since refuses for good. */
  truncation: true,
};
