import type { Batch, OrderLine, Product } from '../../../domain/model.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';

/** A batch in the database. Null quantities: the database does not have the batch yet. */
interface StoredBatch {
  quantity: number | null;
  allocatedQuantity: number | null;
  lines: ReadonlySet<OrderLine>;
}

/** What a session must write: the difference between the loaded stock and the stock now. */
export interface Changes {
  readonly newProducts: readonly (readonly [sku: string, version: number])[];
  readonly changedProducts: readonly (readonly [
    sku: string,
    version: number,
    storedVersion: number,
  ])[];
  readonly newBatches: readonly (readonly [
    place: number,
    reference: string,
    sku: string,
    quantity: number,
    eta: string | null,
    allocatedQuantity: number,
  ])[];
  readonly changedBatches: readonly (readonly [
    reference: string,
    quantity: number,
    allocatedQuantity: number,
  ])[];
  readonly linesLetGo: readonly (readonly [orderid: string, sku: string])[];
  readonly linesTaken: readonly (readonly [
    place: number,
    reference: string,
    orderid: string,
    sku: string,
    qty: number,
  ])[];
}

/**
 * Remembers the loaded stock, and finds the changes to it. Lines are compared by object identity,
 * because a line that is let go and taken again is a new line, and the newest one.
 */
export class ChangeTracker {
  readonly #storedVersions = new Map<Product, number | null>();
  readonly #stored = new Map<Batch, StoredBatch>();
  readonly #byReference = new Map<string, Batch>();
  readonly #writers = new Map<string, PartitionOffset>();

  /** Notes a product that the database does not have. */
  addProduct(product: Product): void {
    this.#storedVersions.set(product, null);
  }

  /** Notes a batch that the database does not have. */
  addBatch(batch: Batch): void {
    this.#stored.set(batch, { quantity: null, allocatedQuantity: null, lines: new Set() });
    this.#byReference.set(batch.reference, batch);
  }

  /** Notes a product that was just loaded, and the lane that wrote it last. */
  trackProduct(product: Product, writtenBy: PartitionOffset | null): void {
    this.#storedVersions.set(product, product.version);
    if (!writtenBy) return;
    const lane = `${writtenBy.topic}/${writtenBy.partition}`;
    if (writtenBy.nextOffset > (this.#writers.get(lane)?.nextOffset ?? 0))
      this.#writers.set(lane, writtenBy);
  }

  /** Returns each lane that has written a tracked product, with its furthest offset. */
  writers(): readonly PartitionOffset[] {
    return [...this.#writers.values()];
  }

  /** Notes that the database has the batches as they are now. */
  trackLines(batches: Iterable<Batch>): void {
    for (const batch of batches) {
      this.#stored.set(batch, {
        quantity: batch.quantity,
        allocatedQuantity: batch.allocatedQuantity,
        lines: new Set(batch.lines),
      });
      this.#byReference.set(batch.reference, batch);
    }
  }

  batch(reference: string): Batch | undefined {
    return this.#byReference.get(reference);
  }

  /** Returns the changes since the load. Finds batches that were added to a tracked product. */
  changes(): Changes {
    for (const product of this.#storedVersions.keys()) {
      for (const batch of product.batches) if (!this.#stored.has(batch)) this.addBatch(batch);
    }
    const products = [...this.#storedVersions].map(([{ sku, version }, stored]) => ({
      sku,
      version,
      stored,
    }));
    const batches = [...this.#stored];
    return {
      newProducts: products.flatMap(({ sku, version, stored }) =>
        stored === null ? [[sku, version] as const] : [],
      ),
      changedProducts: products.flatMap(({ sku, version, stored }) =>
        stored !== null && stored !== version ? [[sku, version, stored] as const] : [],
      ),
      newBatches: batches.flatMap(
        ([{ reference, sku, quantity, eta, allocatedQuantity }, stored], place) =>
          stored.quantity === null
            ? [[place, reference, sku, quantity, eta, allocatedQuantity] as const]
            : [],
      ),
      changedBatches: batches.flatMap(([{ reference, quantity, allocatedQuantity }, stored]) =>
        stored.quantity !== null &&
        (stored.quantity !== quantity || stored.allocatedQuantity !== allocatedQuantity)
          ? [[reference, quantity, allocatedQuantity] as const]
          : [],
      ),
      ...lineChanges(batches),
    };
  }
}

function lineChanges(
  batches: readonly (readonly [Batch, StoredBatch])[],
): Pick<Changes, 'linesLetGo' | 'linesTaken'> {
  const linesLetGo: [string, string][] = [];
  const linesTaken: [number, string, string, string, number][] = [];
  for (const [batch, { lines }] of batches) {
    let kept = 0;
    for (const line of batch.lines) {
      if (lines.has(line)) kept += 1;
      else linesTaken.push([linesTaken.length, batch.reference, line.orderid, line.sku, line.qty]);
    }
    if (kept === lines.size) continue;
    const current = new Set(batch.lines);
    for (const line of lines) if (!current.has(line)) linesLetGo.push([line.orderid, line.sku]);
  }
  return { linesLetGo, linesTaken };
}
