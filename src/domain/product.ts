import { allocate, OutOfStockError } from './allocate.ts';
import { ArrivalOrder } from './arrival-order.ts';
import type { Batch } from './batch.ts';
import { AggregateRoot } from './entities.ts';
import { AllocationError } from './errors.ts';
import type { Deallocated, Event } from './events.ts';
import type { OrderLine } from './order-line.ts';

/** The order has this sku allocated with another quantity. Nothing has changed. */
export class LineDiffersError extends AllocationError {
  override readonly code = 'line-differs';
}

/**
 * All stock of one sku. Within this aggregate no batch is oversold, and no order has two lines
 * allocated.
 */
export class Product extends AggregateRoot<string, Event> {
  readonly sku: string;
  #version: number;
  readonly #batches: Batch[];
  readonly #arrivals: ArrivalOrder;
  /**
   * The batch of each order's line. Null until the first question, because a repository restores
   * the lines after it has made the product.
   */
  #holders: Map<string, Batch> | null = null;

  /**
   * Makes a product, new or as it was stored.
   *
   * @param version how many events were registered before
   * @param batches in the order of their creation
   */
  constructor(sku: string, version = 0, batches: Iterable<Batch> = []) {
    super();
    this.sku = sku;
    this.#version = version;
    this.#batches = [...batches];
    this.#arrivals = new ArrivalOrder(this.#batches);
  }

  override entityId(): string {
    return this.sku;
  }

  /**
   * Counts the versioned events of this product. The version is the optimistic lock, and the
   * `ce_sequence` of the last event.
   */
  get version(): number {
    return this.#version;
  }

  /** Returns the loaded batches in the order of their creation. */
  get batches(): readonly Batch[] {
    return this.#batches;
  }

  /** Returns the batch, if the batch is of this product and loaded. */
  batch(reference: string): Batch | undefined {
    return this.#batches.find((batch) => batch.reference === reference);
  }

  /** Returns the batch to which the order's line is allocated, if the line is loaded. */
  holderOf(orderid: string): Batch | undefined {
    return this.#holdersByOrder().get(orderid);
  }

  /** Adds a new batch, and registers `BatchCreated`. */
  addBatch(batch: Batch): void {
    this.#batches.push(batch);
    this.#arrivals.add(batch);
    const { reference, sku, quantity, eta } = batch;
    this.registerEvent({
      type: 'BatchCreated',
      reference,
      sku,
      quantity,
      eta,
      version: this.#nextVersion(),
    });
  }

  /**
   * Allocates the line, and registers `Allocated` or `OutOfStock`. If the line was allocated
   * before, registers `AlreadyAllocated` and changes nothing.
   *
   * @throws {LineDiffersError} the order has this sku allocated with another quantity
   */
  allocate(line: OrderLine): void {
    const { orderid, sku, qty } = line;
    const holder = this.holderOf(orderid);
    if (holder) {
      const held = holder.lineOf(orderid);
      if (!line.equals(held))
        throw new LineDiffersError(
          `Order ${orderid} has ${held?.qty} of sku ${sku} allocated, not ${qty}`,
        );
      this.registerEvent({
        type: 'AlreadyAllocated',
        orderid,
        sku,
        qty,
        batchref: holder.reference,
      });
      return;
    }
    try {
      const candidates = this.#arrivals.candidatesFor(qty);
      const batchref = allocate(line, candidates);
      const batch = candidates.find(({ reference }) => reference === batchref);
      if (batch) this.#holdersByOrder().set(orderid, batch);
      this.registerEvent({
        type: 'Allocated',
        orderid,
        sku,
        qty,
        batchref,
        version: this.#nextVersion(),
      });
    } catch (error) {
      if (!(error instanceof OutOfStockError)) throw error;
      this.registerEvent({ type: 'OutOfStock', orderid, sku, qty, version: this.#nextVersion() });
    }
  }

  /**
   * Lets the order's line go, and registers `Deallocated`.
   *
   * @returns whether the order had a line here
   */
  deallocate(orderid: string): boolean {
    const batch = this.holderOf(orderid);
    const line = batch?.lineOf(orderid);
    if (!batch || !line) return false;
    batch.deallocate(line);
    this.#noteLetGo(batch, [line]);
    this.#registerDeallocated(line, batch, 'requested');
    return true;
  }

  /**
   * Sets the quantity of the batch. Registers `BatchQuantityChanged`, then `Deallocated` for each
   * line that no longer fits. The handler of `Deallocated` allocates these lines again.
   *
   * @throws {TooManyLinesError} the batch would let more than `MAX_LINES_LET_GO` lines go
   */
  changeBatchQuantity(batch: Batch, quantity: number): void {
    const letGo = batch.changeQuantity(quantity);
    this.#noteLetGo(batch, letGo);
    this.registerEvent({
      type: 'BatchQuantityChanged',
      reference: batch.reference,
      sku: this.sku,
      quantity,
      version: this.#nextVersion(),
    });
    for (const line of letGo) this.#registerDeallocated(line, batch, 'batch-shrank');
  }

  #holdersByOrder(): Map<string, Batch> {
    this.#holders ??= new Map(
      this.#batches.flatMap((batch) =>
        Array.from(batch.lines, ({ orderid }) => [orderid, batch] as const),
      ),
    );
    return this.#holders;
  }

  #noteLetGo(batch: Batch, lines: readonly OrderLine[]): void {
    this.#arrivals.noteMore(batch);
    for (const { orderid } of lines) this.#holdersByOrder().delete(orderid);
  }

  #registerDeallocated(
    { orderid, sku, qty }: OrderLine,
    { reference: batchref }: Batch,
    because: Deallocated['because'],
  ): void {
    this.registerEvent({
      type: 'Deallocated',
      orderid,
      sku,
      qty,
      batchref,
      because,
      version: this.#nextVersion(),
    });
  }

  #nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }
}
