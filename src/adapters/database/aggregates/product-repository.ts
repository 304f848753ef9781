import { type Command, MAX_LINES_LET_GO } from '../../../domain/commands.ts';
import type { Batch, Product } from '../../../domain/model.ts';
import { TooMuchAtOnceError } from '../../../service-layer/errors.ts';
import type { ProductRepository } from '../../../service-layer/unit-of-work.ts';
import type { ChangeTracker } from './change-tracker.ts';
import { type CommandNeeds, needsOf, setIn } from './command-needs.ts';
import type { Repository } from './repository.ts';
import type { NamedLine, StockReader } from './stock-reader.ts';
import { type LoadedProduct, type ProductRow, restoreLines } from './stock-rows.ts';

/** Products, each with the batches and lines that the commands need. */
export class SqlProductRepository implements ProductRepository, Repository<Product> {
  readonly #reader: StockReader;
  readonly #tracker: ChangeTracker;
  readonly #products = new Map<string, Product | null>();
  /**
   * The products that may have a named batch, or a line of a named order. The database names some;
   * the prepared commands may create others.
   */
  readonly #skusOfReference = new Map<string, Set<string>>();
  readonly #skusOfOrder = new Map<string, Set<string>>();
  #isPrepared = false;

  constructor(reader: StockReader, tracker: ChangeTracker) {
    this.#reader = reader;
    this.#tracker = tracker;
  }

  add(product: Product): void {
    this.#products.set(product.sku, product);
    this.#tracker.addProduct(product);
  }

  /**
   * Returns the product, or null if it does not exist. Loads all lines of a product that `prepare`
   * did not load: slower, and equally correct.
   */
  async get(sku: string): Promise<Product | null> {
    const known = this.#products.get(sku);
    if (known !== undefined) return known;
    const loaded = await this.#reader.wholeProduct(sku);
    const batches = this.#remember([sku], loaded ? [loaded] : []);
    await this.#reader.restoreAllLines(batches);
    this.#tracker.trackLines(batches.values());
    return this.#products.get(sku) ?? null;
  }

  async getByBatchReference(reference: string): Promise<Product | null> {
    if (!this.#skusOfReference.has(reference))
      this.#noteReferences(await this.#reader.skusOfReferences([reference]), [reference]);
    for (const sku of this.#candidates(this.#skusOfReference, reference)) {
      const product = await this.get(sku);
      if (product?.batch(reference)) return product;
    }
    return null;
  }

  async getByOrder(orderid: string): Promise<readonly Product[]> {
    if (!this.#skusOfOrder.has(orderid))
      this.#noteOrders(await this.#reader.linesOfOrders([orderid]), [orderid]);
    const products: Product[] = [];
    for (const sku of [...this.#candidates(this.#skusOfOrder, orderid)].sort()) {
      const product = await this.get(sku);
      if (product?.batches.some((batch) => batch.lineOf(orderid))) products.push(product);
    }
    return products;
  }

  /**
   * Loads what the commands need. The number of queries does not depend on the number of commands.
   * Call this once, before any other method.
   * @throws {TooMuchAtOnceError} several commands together may let more lines go than one command
   * may; their lines are not loaded
   */
  async prepare(commands: readonly Command[]): Promise<void> {
    if (this.#isPrepared || this.#products.size > 0)
      throw new Error('Call `prepare` once, before the unit of work loads anything else');
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
    const { products, lines } = await this.#reader.neededStock(
      skus,
      rows,
      stock,
      this.#smallestLines(needs),
    );
    const batches = this.#remember(skus, products);
    const surpluses = surplusesOf(batches, needs.smallestQuantity);
    if (commands.length > 1) refuseTooMuch(linesOfOrders.length, surpluses);
    restoreLines(batches, [...lines, ...(await this.#reader.linesThatMayBeLetGo(surpluses))]);
    this.#tracker.trackLines(batches.values());
  }

  /**
   * Locks the products that the commands are about.
   *
   * On PostgreSQL, a statement that has waited for a lock sees the newest version of the locked
   * row. It sees no row that was added since the statement began. A decision could then rest on
   * another transaction's change of one product and miss the product that this transaction
   * created. So this method asks again for unknown references until it finds no new product.
   * @returns `rows` is still a promise on SQLite, where no statement waits for a lock
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
      const locking = this.#reader.lockProducts(skus.filter((sku) => !rows.has(sku)));
      if (!this.#reader.waitsForProducts) return { skus, rows: locking, linesOfOrders };
      const added = await locking;
      for (const row of added) rows.set(row.sku, row);
      if (added.length === 0) return { skus, rows: [...rows.values()], linesOfOrders };
    }
  }

  /** Notes the products of the references and orders. @returns the orders' lines */
  async #askWhichProducts(references: readonly string[], orderids: readonly string[]) {
    const [skusOfReferences, linesOfOrders] = await Promise.all([
      this.#reader.skusOfReferences(references),
      this.#reader.linesOfOrders(orderids),
    ]);
    this.#noteReferences(skusOfReferences, []);
    this.#noteOrders(linesOfOrders, []);
    return linesOfOrders;
  }

  /**
   * Returns the smallest qty that a line of each sku may have. A sku with a shrinking batch has no
   * entry, because that batch may let lines of any qty go, which are then allocated anew.
   */
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

  /**
   * Returns the skus of the products that may have the batch or the order's line. After `prepare`,
   * the index is complete. Without it, any loaded product may have the batch or the line.
   */
  #candidates(index: Map<string, Set<string>>, key: string): ReadonlySet<string> {
    const known = setIn(index, key);
    return this.#isPrepared ? known : new Set([...known, ...this.#products.keys()]);
  }

  /** Remembers the loaded products, and which do not exist. @returns the batches by reference */
  #remember(skus: readonly string[], loaded: readonly LoadedProduct[]): ReadonlyMap<string, Batch> {
    for (const sku of skus) this.#products.set(sku, null);
    const batches = new Map<string, Batch>();
    for (const { product, writtenBy } of loaded) {
      this.#products.set(product.sku, product);
      this.#tracker.trackProduct(product, writtenBy);
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

/**
 * Returns by how much the allocated quantity of each batch exceeds the smallest quantity that a
 * command sets. Batches without a surplus are left out.
 */
function surplusesOf(
  batches: ReadonlyMap<string, Batch>,
  smallestQuantity: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const surpluses = [...smallestQuantity].map(([reference, quantity]): [string, number] => {
    return [reference, (batches.get(reference)?.allocatedQuantity ?? 0) - quantity];
  });
  return new Map(surpluses.filter(([, surplus]) => surplus > 0));
}

/**
 * Refuses commands that together may let more lines go than one command may.
 * @param surpluses each bounds how many lines its batch lets go: a line's qty is 1 or more
 */
function refuseTooMuch(linesOfOrders: number, surpluses: ReadonlyMap<string, number>): void {
  let count = linesOfOrders;
  for (const surplus of surpluses.values()) count += surplus;
  if (count > MAX_LINES_LET_GO)
    throw new TooMuchAtOnceError(
      `The commands together may let ${count} order lines go, and ${MAX_LINES_LET_GO} are allowed`,
    );
}
