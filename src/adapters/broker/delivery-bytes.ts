/**
 * Computes how many bytes a delivery may have, so that all partitions together stay within a limit.
 *
 * Each partition has a fixed share for two deliveries: one at its owner, and the next one. A common
 * budget could block for ever: a lane with a delivery may wait for another lane's decision, while
 * that lane waits for bytes.
 * @param maxFetchedBytes how many bytes all partitions may hold together
 */
export function deliveryBytes(
  partitions: number,
  maxFetchedBytes = Number.POSITIVE_INFINITY,
): number {
  return Math.floor(maxFetchedBytes / (2 * Math.max(1, partitions)));
}
