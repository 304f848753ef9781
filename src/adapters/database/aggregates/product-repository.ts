import type { Batch } from '../../../domain/batch.ts';
import { type Command, MAX_LINES_LET_GO } from '../../../domain/commands.ts';
import { laneName } from '../../../domain/place.ts';
import type { Product } from '../../../domain/product.ts';
import { TooMuchAtOnceError } from '../../../service-layer/errors.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import type { ProductRepository } from '../../../service-layer/unit-of-work.ts';
import type { SqlBatchRepository } from './batch-repository.ts';
import { type CommandNeeds, needsOf, setIn } from './command-needs.ts';
import { SqlRepository } from './repository.ts';
import type { NamedLine, StockReader } from './stock-reader.ts';
import { type LoadedProduct, type ProductRow, restoreLines } from './stock-rows.ts';

/** Products, each with the batches and lines that the commands need. */
export class SqlProductRepository
  extends SqlRepository<Product, string, number>
  implements ProductRepository
{
  readonly #reader: StockReader;
  readonly #batches: SqlBatchRepository;
  readonly #writers = new Map<string, PartitionOffset>();
  /**
   * The products that may have a named batch, or a line of a named order. The database names some;
   * the prepared commands may create others.
   */
  readonly #skusOfReference = new Map<string, Set<string>>();
  readonly #skusOfOrder = new Map<string, Set<string>>();
  #isPrepared = false;

  /** @param batches knows the batches of the loaded products */
  constructor(reader: StockReader, batches: SqlBatchRepository) {
    super();
    this.#reader = reader;
    this.#batches = batches;
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
      if (product?.holderOf(orderid)) products.push(product);
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
    if (this.#isPrepared || this.knownNames.length > 0)
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
    for (const sku of skus) this.noteMissing(sku);
    for (const { product } of products) this.track(product);
    const batches = this.#batchesOf(products);
    const surpluses = surplusesOf(batches, needs.smallestQuantity);
    if (commands.length > 1) refuseTooMuch(linesOfOrders.length, surpluses);
    restoreLines(batches, [...lines, ...(await this.#reader.linesThatMayBeLetGo(surpluses))]);
    for (const batch of batches.values()) this.#batches.track(batch);
  }

  /** Hands the batches that were added to the products to the repository of batches. */
  addNewBatches(): void {
    for (const product of this.tracked.keys()) {
      for (const batch of product.batches)
        if (!this.#batches.isTracked(batch)) this.#batches.add(batch);
    }
  }

  /** Returns each lane that has written a loaded product, with its furthest offset. */
  writers(): readonly PartitionOffset[] {
    return [...this.#writers.values()];
  }

  /** Loads a product that `prepare` did not load, with all lines: slower, and equally correct. */
  protected override async load(sku: string): Promise<Product | null> {
    const loaded = await this.#reader.wholeProduct(sku);
    if (!loaded) return null;
    const batches = this.#batchesOf([loaded]);
    await this.#reader.restoreAllLines(batches);
    for (const batch of batches.values()) this.#batches.track(batch);
    return loaded.product;
  }

  protected override keyOf({ sku }: Product): string {
    return sku;
  }

  protected override nameOf(sku: string): string {
    return sku;
  }

  /** Returns the version, which every change of a product raises. */
  protected override storedOf({ version }: Product): number {
    return version;
  }

  protected override hasChanged({ version }: Product, stored: number): boolean {
    return version !== stored;
  }

  /**
   * Locks the products that the commands are about.
   *
   * A statement that has waited for a lock of PostgreSQL sees the newest version of the locked row.
   * The statement misses rows that were added since it began. A decision could then rest on another
   * transaction's change of one product, and miss a product that the other transaction created. So
   * this method asks again for unknown references until it finds no new product.
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
    return this.#isPrepared ? known : new Set([...known, ...this.knownNames]);
  }

  /** Notes the lanes that wrote the products. @returns the products' batches by reference */
  #batchesOf(loaded: readonly LoadedProduct[]): ReadonlyMap<string, Batch> {
    const batches = new Map<string, Batch>();
    for (const { product, writtenBy } of loaded) {
      if (writtenBy) this.#noteWriter(writtenBy);
      for (const batch of product.batches) batches.set(batch.reference, batch);
    }
    return batches;
  }

  #noteWriter(writer: PartitionOffset): void {
    const lane = laneName(writer);
    if (writer.nextOffset > (this.#writers.get(lane)?.nextOffset ?? 0))
      this.#writers.set(lane, writer);
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
      `The commands together may let ${count} order lines go, but at most ${MAX_LINES_LET_GO} can`,
    );
}
