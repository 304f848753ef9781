import { arrivesBefore } from './arrival-order.ts';
import type { Batch } from './batch.ts';
import { AllocationError } from './errors.ts';
import type { OrderLine } from './order-line.ts';

/** No batch of the sku has enough left for the line. Nothing has changed. */
export class OutOfStockError extends AllocationError {
  override readonly code = 'out-of-stock';

  constructor(sku: string) {
    super(`Out of stock for sku ${sku}`);
  }
}

/**
 * Allocates the line to the batch that arrives first, among the batches with enough left. Ties keep
 * the order given. This rule is the heart of the service.
 *
 * The rule comes from "Architecture Patterns with Python", chapter 1.
 *
 * @returns the reference of the batch
 * @throws {OutOfStockError} no batch has enough left for the line
 */
export function allocate(line: OrderLine, batches: Iterable<Batch>): string {
  let first: Batch | undefined;
  for (const batch of batches) {
    if (batch.canAllocate(line) && (first === undefined || arrivesBefore(batch, first)))
      first = batch;
  }
  if (first === undefined) throw new OutOfStockError(line.sku);
  first.allocate(line);
  return first.reference;
}
