import type { Command } from '../../../domain/commands.ts';
import { MAX_LINES_LET_GO } from '../../../domain/commands.ts';
import { type Batch, OrderLine, type Product } from '../../../domain/model.ts';
import { TooMuchAtOnceError } from '../../../service-layer/errors.ts';
import type { ProductRepository } from '../../../service-layer/unit-of-work.ts';
import type { Sql } from '../transaction.ts';
import { type CommandNeeds, needsOf, setIn } from './command-needs.ts';
import {
  type LoadedProduct,
  type Loading,
  type NamedLine,
  type ProductRow,
  restoreLines,
} from './loading.ts';
import type { TrackedBatches } from './tracking.ts';

/** Objects that a session loads by their key, and remembers until it is flushed. */
export interface Repository<T, Key = string> {
  add(object: T): void;
  get(key: Key): Promise<T | null>;
}

/** Products, with those of their batches and lines that are needed. */
export class SqlProductRepository implements ProductRepository, Repository<Product> {
  readonly #loading: Loading;
  readonly #tracked: TrackedBatches;
  readonly #products = new Map<string, Product | null>();
  /** Where a named batch, or an order's lines, may be: what the database said, and what the prepared commands will make. */
  readonly #skusOfReference = new Map<string, Set<string>>();
  readonly #skusOfOrder = new Map<string, Set<string>>();
  #isPrepared = false;

  constructor(loading: Loading, tracked: TrackedBatches) {
    this.#loading = loading;
    this.#tracked = tracked;
  }

  add(product: Product): void {
    this.#products.set(product.sku, product);
    this.#tracked.addProduct(product);
  }

  /** A product that `prepare` did not foresee is loaded with all its lines: slower, and as right. */
  async get(sku: string): Promise<Product | null> {
    const known = this.#products.get(sku);
    if (known !== undefined) return known;
    const loaded = await this.#loading.wholeProduct(sku);
    const batches = this.#note([sku], loaded ? [loaded] : []);
    await this.#loading.restoreAllLines(batches);
    this.#tracked.trackLines(batches.values());
    return this.#products.get(sku) ?? null;
  }

  async getByBatchReference(reference: string): Promise<Product | null> {
    if (!this.#skusOfReference.has(reference))
      this.#noteReferences(await this.#loading.skusOfReferences([reference]), [reference]);
    for (const sku of this.#candidates(this.#skusOfReference, reference)) {
      const product = await this.get(sku);
      if (product?.batch(reference)) return product;
    }
    return null;
  }

  async getByOrder(orderid: string): Promise<readonly Product[]> {
    if (!this.#skusOfOrder.has(orderid))
      this.#noteOrders(await this.#loading.linesOfOrders([orderid]), [orderid]);
    const products: Product[] = [];
    for (const sku of [...this.#candidates(this.#skusOfOrder, orderid)].sort()) {
      const product = await this.get(sku);
      if (product?.batches.some((batch) => batch.lineOf(orderid))) products.push(product);
    }
    return products;
  }

  /**
   * Loads what the commands need, with as many queries for thousands of them as for one. Once, and first of all.
   * @throws {TooMuchAtOnceError} several commands may let more lines go than one may; those are not loaded
   */
  async prepare(commands: readonly Command[]): Promise<void> {
    if (this.#isPrepared || this.#products.size > 0)
      throw new Error('A unit of work is prepared once, before anything else is loaded');
    this.#isPrepared = true;
    const needs = needsOf(commands);
    for (const [reference, skus] of needs.references)
      this.#skusOfReference.set(reference, new Set(skus));
    for (const [orderid, skus] of needs.orders) this.#skusOfOrder.set(orderid, new Set(skus));
    const { skus, rows, linesOfOrders } = await this.#lockNeeded(needs);
    const named = [
      ...needs.lines,
      ...linesOfOrders.map(({ orderid, sku }): NamedLine => [orderid, sku]),
    ];
    const stock = { references: [...needs.references.keys()], lines: named };
    const { products, lines } = await this.#loading.neededStock(
      skus,
      rows,
      stock,
      this.#smallestLines(needs),
    );
    const batches = this.#note(skus, products);
    const surpluses = surplusesOf(batches, needs.smallestQuantity);
    if (commands.length > 1) refuseTooMuch(linesOfOrders.length, surpluses);
    restoreLines(batches, [...lines, ...(await this.#loading.linesThatMayBeLetGo(surpluses))]);
    this.#tracked.trackLines(batches.values());
  }

  /**
   * Locks the products that the commands are about. On PostgreSQL a statement that has waited for a
   * lock sees the newest version of the row it waited for, but no row that was added since the
   * statement began. So a decision would rest on another transaction's change of one product, and
   * not know the product which that transaction created. What is unknown is asked for again, until
   * nothing more is found.
   * @returns `rows` are still under way where nobody waits for a lock
   */
  async #lockNeeded(needs: CommandNeeds) {
    const rows = new Map<string, ProductRow>();
    for (let references = [...needs.references.keys()]; ; references = this.#unknown(needs)) {
      const linesOfOrders = await this.#askWhichProducts(references, [...needs.orders.keys()]);
      const named = [
        needs.skus,
        ...this.#skusOfReference.values(),
        ...this.#skusOfOrder.values(),
      ].flatMap((each) => [...each]);
      const skus = [...new Set(named)];
      const locking = this.#loading.lockProducts(skus.filter((sku) => !rows.has(sku)));
      if (!this.#loading.waitsForProducts) return { skus, rows: locking, linesOfOrders };
      const found = await locking;
      for (const row of found) rows.set(row.sku, row);
      if (found.length === 0) return { skus, rows: [...rows.values()], linesOfOrders };
    }
  }

  /** @returns the orders' lines */
  async #askWhichProducts(references: readonly string[], orderids: readonly string[]) {
    const [skusOfReferences, linesOfOrders] = await Promise.all([
      this.#loading.skusOfReferences(references),
      this.#loading.linesOfOrders(orderids),
    ]);
    this.#noteReferences(skusOfReferences, []);
    this.#noteOrders(linesOfOrders, []);
    return linesOfOrders;
  }

  /** A batch that shrinks lets lines of any qty go, and they are allocated anew. */
  #smallestLines({ smallestLine, smallestQuantity }: CommandNeeds): ReadonlyMap<string, number> {
    const smallest = new Map(smallestLine);
    for (const reference of smallestQuantity.keys()) {
      for (const sku of this.#skusOfReference.get(reference) ?? []) smallest.delete(sku);
    }
    return smallest;
  }

  #unknown({ references }: CommandNeeds): string[] {
    return [...references.keys()].filter(
      (reference) => setIn(this.#skusOfReference, reference).size === 0,
    );
  }

  /** What was prepared foresees everything; otherwise it may also be on any product of this session. */
  #candidates(index: Map<string, Set<string>>, key: string): ReadonlySet<string> {
    const foreseen = setIn(index, key);
    return this.#isPrepared ? foreseen : new Set([...foreseen, ...this.#products.keys()]);
  }

  /** @returns the batches of the products by reference */
  #note(skus: readonly string[], loaded: readonly LoadedProduct[]): ReadonlyMap<string, Batch> {
    for (const sku of skus) this.#products.set(sku, null);
    const batches = new Map<string, Batch>();
    for (const { product, writtenBy } of loaded) {
      this.#products.set(product.sku, product);
      this.#tracked.trackProduct(product, writtenBy);
      for (const batch of product.batches) batches.set(batch.reference, batch);
    }
    return batches;
  }

  #noteReferences(
    found: readonly { readonly reference: string; readonly sku: string }[],
    asked: readonly string[],
  ): void {
    for (const reference of asked) setIn(this.#skusOfReference, reference);
    for (const { reference, sku } of found) setIn(this.#skusOfReference, reference).add(sku);
  }

  #noteOrders(
    found: readonly { readonly orderid: string; readonly sku: string }[],
    asked: readonly string[],
  ): void {
    for (const orderid of asked) setIn(this.#skusOfOrder, orderid);
    for (const { orderid, sku } of found) setIn(this.#skusOfOrder, orderid).add(sku);
  }
}

/** How much more is allocated of each batch than the smallest quantity it is set to; only where it is more. */
function surplusesOf(
  batches: ReadonlyMap<string, Batch>,
  smallestQuantity: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const surpluses = [...smallestQuantity].map(([reference, quantity]): [string, number] => {
    return [reference, (batches.get(reference)?.allocatedQuantity ?? 0) - quantity];
  });
  return new Map(surpluses.filter(([, surplus]) => surplus > 0));
}

/** @param surpluses a batch lets at most as many lines go as its surplus is */
function refuseTooMuch(linesOfOrders: number, surpluses: ReadonlyMap<string, number>): void {
  let count = linesOfOrders;
  for (const surplus of surpluses.values()) count += surplus;
  if (count > MAX_LINES_LET_GO)
    throw new TooMuchAtOnceError(`The commands may let ${count} order lines go together`);
}

/** Single batches, each with all its lines: for whoever looks at one; the service changes batches through their product. */
export class SqlBatchRepository implements Repository<Batch> {
  readonly #loading: Loading;
  readonly #tracked: TrackedBatches;

  constructor(loading: Loading, tracked: TrackedBatches) {
    this.#loading = loading;
    this.#tracked = tracked;
  }

  add(batch: Batch): void {
    this.#tracked.addBatch(batch);
  }

  async get(reference: string): Promise<Batch | null> {
    const known = this.#tracked.batch(reference);
    if (known) return known;
    const batch = await this.#loading.batch(reference);
    if (!batch) return null;
    await this.#loading.restoreAllLines(new Map([[reference, batch]]));
    this.#tracked.trackLines([batch]);
    return batch;
  }
}

/** Order lines as such, allocated or not. */
export class SqlOrderLineRepository
  implements Repository<OrderLine, Pick<OrderLine, 'orderid' | 'sku'>>
{
  readonly #sql: Sql;
  readonly #added: OrderLine[] = [];

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(line: OrderLine): void {
    this.#added.push(line);
  }

  /** The lines added since the session began. */
  get added(): readonly OrderLine[] {
    return this.#added;
  }

  async get({ orderid, sku }: Pick<OrderLine, 'orderid' | 'sku'>): Promise<OrderLine | null> {
    const added = this.#added.find((line) => line.orderid === orderid && line.sku === sku);
    if (added) return added;
    const [row] = await this.#sql<{ qty: number }>(
      'select qty from order_lines where orderid = ? and sku = ?',
      [orderid, sku],
    );
    return row ? new OrderLine(orderid, sku, row.qty) : null;
  }
}
