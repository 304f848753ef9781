/**
 * Computes how many bytes a delivery may have, so that all partitions together stay within a limit.
 *
 * A partition holds two deliveries: one at its owner, and the next one. Each partition has a fixed
 * share. If a partition could wait for another one's bytes, both might wait for ever, because a
 * lane that holds a delivery may wait for another lane's decision.
 * @param maxFetchedBytes what all partitions may hold together
 */
export function deliveryBytes(
  partitions: number,
  maxFetchedBytes = Number.POSITIVE_INFINITY,
): number {
  return Math.floor(maxFetchedBytes / (2 * Math.max(1, partitions)));
}
