import type { ReceivedRecord } from '../../../../service-layer/records.ts';
import type { AbortedTransaction } from '../requests/fetch-request.ts';
import type { BatchHeader } from './batch-header.ts';

/** The key of the marker that aborts a transaction: version 0, type 0. */
const ABORT_MARKER = Buffer.from([0, 0, 0, 0]);

/**
 * Finds out which record batches of a fetch belong to aborted transactions.
 *
 * A broker lists the aborted transactions in the order of their ends. So several of them may have
 * begun before the first batch.
 */
export class AbortedBatches {
  /** The transactions that have not begun yet, by their first offset. */
  readonly #coming: AbortedTransaction[];
  /** The producers whose current transaction is aborted later. */
  readonly #open = new Set<string>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = aborted.toSorted((one, other) => one.firstOffset - other.firstOffset);
  }

  /**
   * Tells whether a `read_committed` reader sees the batch's records. Call this once for each
   * batch, in their order.
   */
  areVisible(
    { lastOffset, isControl, isTransactional, producerId }: BatchHeader,
    records: readonly ReceivedRecord[],
  ): boolean {
    for (
      let next = this.#coming[0];
      next && next.firstOffset <= lastOffset;
      next = this.#coming[0]
    ) {
      this.#open.add(next.producerId);
      this.#coming.shift();
    }
    if (isControl) {
      if (records[0]?.key?.equals(ABORT_MARKER)) this.#open.delete(producerId);
      return false;
    }
    return !isTransactional || !this.#open.has(producerId);
  }
}
