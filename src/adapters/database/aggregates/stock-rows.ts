import { Batch } from '../../../domain/batch.ts';
import { OrderLine } from '../../../domain/order-line.ts';
import { Product } from '../../../domain/product.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';

/** An allocated line in the database. `id` belongs to the allocation: a higher id is newer. */
export interface LineRow {
  readonly id: number;
  readonly reference: string;
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

/** A row of `products`. */
export interface ProductRow {
  readonly sku: string;
  readonly version: number;
  readonly source_topic: string | null;
  readonly source_partition: number;
  readonly next_offset: number;
}

/** A product, and the lane that wrote it last. */
export interface LoadedProduct {
  readonly product: Product;
  /** Null: no lane has written the product. */
  readonly writtenBy: PartitionOffset | null;
}

/** An allocated line together with its batch. */
export interface HeldLineRow extends LineRow {
  readonly batch_id: number;
  readonly quantity: number;
  readonly eta: string | null;
  readonly allocated_quantity: number;
}

/** A row of `batches`. */
export interface BatchRow {
  readonly id: number;
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
  readonly allocated_quantity: number;
}

function writerOf({
  source_topic: topic,
  source_partition: partition,
  next_offset: nextOffset,
}: ProductRow): PartitionOffset | null {
  return topic === null ? null : { topic, partition, nextOffset };
}

/** Puts each product together with its batches. @param batches in the order of their creation */
export function asProducts(
  rows: readonly ProductRow[],
  batches: readonly BatchRow[],
): readonly LoadedProduct[] {
  const bySku = Map.groupBy(batches, ({ sku }) => sku);
  return rows.map((row) => ({
    product: new Product(row.sku, row.version, bySku.get(row.sku)?.map(asBatch)),
    writtenBy: writerOf(row),
  }));
}

/** Adds the batches that hold the lines. @returns each batch once, in the order of creation */
export function withHolders(
  batches: readonly BatchRow[],
  held: readonly HeldLineRow[],
): readonly BatchRow[] {
  const all = new Map(batches.map((batch) => [batch.id, batch]));
  const count = all.size;
  for (const { batch_id: id, reference, sku, quantity, eta, allocated_quantity } of held) {
    all.set(id, { id, reference, sku, quantity, eta, allocated_quantity });
  }
  return all.size === count ? batches : [...all.values()].sort((one, other) => one.id - other.id);
}

function asBatch({ reference, sku, quantity, eta, allocated_quantity }: BatchRow): Batch {
  return new Batch(reference, sku, quantity, eta, allocated_quantity);
}

/** Puts the lines into their batches, oldest first: a batch lets its newest line go first. */
export function restoreLines(batches: ReadonlyMap<string, Batch>, rows: readonly LineRow[]): void {
  for (const { reference, orderid, sku, qty } of rows.toSorted((a, b) => a.id - b.id)) {
    batches.get(reference)?.restoreLine(new OrderLine(orderid, sku, qty));
  }
}
