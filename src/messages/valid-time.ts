/** The last moment of a `Date`. Source: ECMA-262, section 21.4.1.1. */
const LATEST_MS = 8.64e15;

/**
 * Returns the nearest time that a `Date` can have, because a producer may send any timestamp.
 *
 * @param timestampMs milliseconds since 1970
 */
export function validTimeMs(timestampMs: number): number {
  return Math.max(-LATEST_MS, Math.min(timestampMs, LATEST_MS));
}
