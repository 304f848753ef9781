/**
 * How many bytes a delivery may have at most, so that all partitions stay within what they may hold
 * together. A partition holds two deliveries: one at its owner's, and the next one. The share is
 * fixed, because partitions that waited for each other's bytes could wait for ever: a lane that
 * holds some may wait for what another lane decides.
 */
export function deliveryBytes(
  partitions: number,
  maxFetchedBytes = Number.POSITIVE_INFINITY,
): number {
  return Math.floor(maxFetchedBytes / (2 * Math.max(1, partitions)));
}
