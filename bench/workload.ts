const SKUS = 500;
const BATCHES_PER_SKU = 3;

export type Command = Record<string, unknown>;

/** Stock that does not run out: 500 skus with three batches each, one here and two due. */
export function stock(): Command[] {
  return Array.from({ length: SKUS * BATCHES_PER_SKU }, (_, index) => {
    const [sku, batch] = [index % SKUS, Math.floor(index / SKUS)];
    return {
      type: 'CreateBatch',
      id: `stock-${index}`,
      reference: `batch-${sku}-${batch}`,
      sku: `SKU-${sku}`,
      quantity: 1_000_000_000,
      eta: batch === 0 ? null : `2027-01-0${batch}`,
    };
  });
}

/** The n-th order: one line of one of the skus. */
export function order(n: number): Command {
  return { type: 'AllocateOrder', id: `command-${n}`, orderid: `order-${n}`, sku: `SKU-${(n * 7) % SKUS}`, qty: 1 + (n % 3) };
}
