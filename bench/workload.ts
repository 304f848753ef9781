const SKUS = 500;
const BATCHES_PER_SKU = 3;
const PLENTY = 1_000_000_000;

export type Command = Readonly<Record<string, unknown>>;

/** The commands of a case: stock first, then orders. */
export interface Workload {
  readonly stock: readonly Command[];
  /** Returns the n-th order. */
  order(n: number): Command;
}

/** Returns the stock: 500 products with three batches each, one here and two due. */
function stock(quantity: number): Command[] {
  return Array.from({ length: SKUS * BATCHES_PER_SKU }, (_, index) => {
    const [sku, batch] = [index % SKUS, Math.floor(index / SKUS)];
    const eta = batch === 0 ? null : `2027-01-0${batch}`;
    return {
      type: 'CreateBatch',
      id: `stock-${index}`,
      reference: `batch-${sku}-${batch}`,
      sku: `SKU-${sku}`,
      quantity,
      eta,
    };
  });
}

const sku = (n: number) => `SKU-${(n * 7) % SKUS}`;
const qty = (n: number) => 1 + (n % 3);
const order = (n: number): Command => ({
  type: 'AllocateOrder',
  id: `command-${n}`,
  orderid: `order-${n}`,
  sku: sku(n),
  qty: qty(n),
});
const enough = stock(PLENTY);

export const workloads = {
  /** An order has one line, and stock does not run out. */
  spread: { stock: enough, order },
  hotSku: { stock: enough, order: (n) => ({ ...order(n), sku: 'SKU-0' }) },
  fiveLines: {
    stock: enough,
    order: (n) => {
      const lines = Array.from({ length: 5 }, (_, line) => ({
        sku: sku(n + 100 * line + line),
        qty: qty(n),
      }));
      return { type: 'AllocateOrder', id: `command-${n}`, orderid: `order-${n}`, lines };
    },
  },
  /** Three of ten orders repeat an earlier order. */
  duplicates: { stock: enough, order: (n) => order(n % 10 < 7 ? n : n - 5) },
  outOfStock: { stock: stock(0), order },
} satisfies Record<string, Workload>;

/** Returns the key of a command, which decides its partition. */
export function keyOf(command: Command): string {
  return String(command.sku ?? (command.lines as readonly { sku: string }[])[0]?.sku);
}

/** Returns the number of commands with an outcome. A repeated command has no outcome of its own. */
export function outcomesOf({ stock, order }: Workload, orders: number): number {
  const ids = new Set<unknown>();
  for (let n = 0; n < orders; n += 1) ids.add(order(n).id);
  return stock.length + ids.size;
}
