import type { Command } from '../../domain/commands.ts';
import { type Batch, OrderLine, type Product } from '../../domain/model.ts';
import type { ProductRepository } from '../../service-layer/unit-of-work.ts';
import { type CommandNeeds, needsOf, setIn } from './command-needs.ts';
import { type Loading, restoreLines } from './loading.ts';
import type { TrackedBatches } from './tracking.ts';
import type { Sql } from './transaction.ts';

/** Objects that a session loads by their key, and remembers until it is flushed. */
export interface Repository<T, Key = string> {
  add(object: T): void;
  get(key: Key): Promise<T | null>;
}

/** Products, with their batches, and those of their lines that are needed. */
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
    const batches = await this.#load([sku]);
    await this.#loading.restoreAllLines(batches);
    this.#tracked.trackLines(batches.values());
    return this.#products.get(sku) ?? null;
  }

  async getByBatchReference(reference: string): Promise<Product | null> {
    if (!this.#skusOfReference.has(reference)) this.#noteReferences(await this.#loading.skusOfReferences([reference]), [reference]);
    for (const sku of this.#candidates(this.#skusOfReference, reference)) {
      const product = await this.get(sku);
      if (product?.batch(reference)) return product;
    }
    return null;
  }

  async getByOrder(orderid: string): Promise<readonly Product[]> {
    if (!this.#skusOfOrder.has(orderid)) this.#noteOrders(await this.#loading.skusOfOrders([orderid]), [orderid]);
    const products: Product[] = [];
    for (const sku of [...this.#candidates(this.#skusOfOrder, orderid)].sort()) {
      const product = await this.get(sku);
      if (product?.batches.some((batch) => batch.lineOf(orderid))) products.push(product);
    }
    return products;
  }

  /** Loads what the commands need, with as many queries for thousands of them as for one. Once, and first of all. */
  async prepare(commands: readonly Command[]): Promise<void> {
    if (this.#isPrepared || this.#products.size > 0) throw new Error('A unit of work is prepared once, before anything else is loaded');
    this.#isPrepared = true;
    const needs = needsOf(commands);
    for (const [reference, skus] of needs.references) this.#skusOfReference.set(reference, new Set(skus));
    for (const [orderid, skus] of needs.orders) this.#skusOfOrder.set(orderid, new Set(skus));
    const { references, orders } = needs;
    const [skusOfReferences, skusOfOrders] = await Promise.all([
      this.#loading.skusOfReferences([...references.keys()]),
      this.#loading.skusOfOrders([...orders.keys()]),
    ]);
    this.#noteReferences(skusOfReferences, []);
    this.#noteOrders(skusOfOrders, []);
    const skus = new Set(needs.skus);
    for (const found of [...this.#skusOfReference.values(), ...this.#skusOfOrder.values()]) for (const sku of found) skus.add(sku);
    const [batches, lines] = await Promise.all([this.#load([...skus]), this.#loading.neededLines(needs)]);
    const late = await this.#loadLate(needs);
    const all = new Map([...batches, ...late]);
    restoreLines(all, late.size > 0 ? await this.#loading.neededLines(needs) : lines);
    this.#tracked.trackLines(all.values());
  }

  /**
   * Loads what other transactions have made known while this one waited for the locks of its
   * products. On PostgreSQL a statement that has waited sees the newest version of the row it waited
   * for, but no row that was added since the statement began. So a decision would rest on another
   * transaction's change of one product, and not know the product which that transaction created.
   * Asks until nothing more is found, and only where something is unknown.
   */
  async #loadLate(needs: CommandNeeds): Promise<ReadonlyMap<string, Batch>> {
    const late = new Map<string, Batch>();
    let hasLocked = this.#loading.waitsForProducts && this.#hasAny(this.#products.keys());
    while (hasLocked) {
      await this.#askForUnknown(needs);
      const named = [...this.#skusOfReference.values(), ...this.#skusOfOrder.values()].flatMap((skus) => [...skus]);
      const missing = [...new Set([...needs.skus, ...named])].filter((sku) => !this.#products.get(sku));
      if (missing.length === 0) break;
      for (const [reference, batch] of await this.#load(missing)) late.set(reference, batch);
      hasLocked = this.#hasAny(missing);
    }
    return late;
  }

  async #askForUnknown({ references, orders }: CommandNeeds): Promise<void> {
    const unknown = [...references.keys()].filter((reference) => setIn(this.#skusOfReference, reference).size === 0);
    const [ofReferences, ofOrders] = await Promise.all([
      this.#loading.skusOfReferences(unknown),
      this.#loading.skusOfOrders([...orders.keys()]),
    ]);
    this.#noteReferences(ofReferences, []);
    this.#noteOrders(ofOrders, []);
  }

  #hasAny(skus: Iterable<string>): boolean {
    return [...skus].some((sku) => this.#products.get(sku));
  }

  /** What was prepared foresees everything; otherwise it may also be on any product of this session. */
  #candidates(index: Map<string, Set<string>>, key: string): ReadonlySet<string> {
    const foreseen = setIn(index, key);
    return this.#isPrepared ? foreseen : new Set([...foreseen, ...this.#products.keys()]);
  }

  async #load(skus: readonly string[]): Promise<ReadonlyMap<string, Batch>> {
    for (const sku of skus) this.#products.set(sku, null);
    const batches = new Map<string, Batch>();
    for (const { product, writtenBy } of await this.#loading.products(skus)) {
      this.#products.set(product.sku, product);
      this.#tracked.trackProduct(product, writtenBy);
      for (const batch of product.batches) batches.set(batch.reference, batch);
    }
    return batches;
  }

  #noteReferences(found: readonly { readonly reference: string; readonly sku: string }[], asked: readonly string[]): void {
    for (const reference of asked) setIn(this.#skusOfReference, reference);
    for (const { reference, sku } of found) setIn(this.#skusOfReference, reference).add(sku);
  }

  #noteOrders(found: readonly { readonly orderid: string; readonly sku: string }[], asked: readonly string[]): void {
    for (const orderid of asked) setIn(this.#skusOfOrder, orderid);
    for (const { orderid, sku } of found) setIn(this.#skusOfOrder, orderid).add(sku);
  }
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
export class SqlOrderLineRepository implements Repository<OrderLine, Pick<OrderLine, 'orderid' | 'sku'>> {
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
    const [row] = await this.#sql<{ qty: number }>('select qty from order_lines where orderid = ? and sku = ?', [orderid, sku]);
    return row ? new OrderLine(orderid, sku, row.qty) : null;
  }
}
