import { MAX_LINES_LET_GO } from './commands.ts';
import { AggregateRoot, Entity } from './entities.ts';
import { AllocationError } from './errors.ts';
import type { Deallocated, Event } from './events.ts';
import { ValueObject, ValueSet } from './value-objects.ts';

/** No batch of the sku has enough left for the line. Nothing has changed. */
export class OutOfStockError extends AllocationError {
  override readonly code = 'out-of-stock';

  constructor(sku: string) {
    super(`Out of stock for sku ${sku}`);
  }
}

/** The order has this sku allocated with another quantity. Nothing has changed. */
export class LineDiffersError extends AllocationError {
  override readonly code = 'line-differs';
}

/**
 * One command would let more than `MAX_LINES_LET_GO` lines go. Nothing has changed. The message
 * says which smaller commands reach the same state.
 */
export class TooManyLinesError extends AllocationError {
  override readonly code = 'too-many-lines';
}

/** Says how much of one sku an order wants. Two lines with the same content are equal. */
export class OrderLine extends ValueObject {
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;

  constructor(orderid: string, sku: string, qty: number) {
    super();
    this.orderid = orderid;
    this.sku = sku;
    this.qty = qty;
    Object.freeze(this);
  }

  override toString(): string {
    return JSON.stringify([this.orderid, this.sku, this.qty]);
  }
}

/**
 * Stock of one sku that arrives together.
 *
 * A repository may load a batch with only some of its allocated lines. `allocatedQuantity` counts
 * all lines. A caller must load each line that it reads or lets go.
 */
export class Batch extends Entity<string> {
  readonly reference: string;
  readonly sku: string;
  readonly eta: string | null;
  #quantity: number;
  #allocatedQuantity: number;
  readonly #lines = new ValueSet<OrderLine>();
  readonly #lineOfOrder = new Map<string, OrderLine>();

  /**
   * Makes a batch without lines.
   *
   * @param eta the day on which the batch arrives, `YYYY-MM-DD`; null: the batch is in stock
   * @param allocatedQuantity the quantity of all stored lines, loaded or not
   */
  constructor(
    reference: string,
    sku: string,
    quantity: number,
    eta: string | null,
    allocatedQuantity = 0,
  ) {
    super();
    this.reference = reference;
    this.sku = sku;
    this.eta = eta;
    this.#quantity = quantity;
    this.#allocatedQuantity = allocatedQuantity;
  }

  override entityId(): string {
    return this.reference;
  }

  get quantity(): number {
    return this.#quantity;
  }

  get allocatedQuantity(): number {
    return this.#allocatedQuantity;
  }

  get availableQuantity(): number {
    return this.#quantity - this.#allocatedQuantity;
  }

  /** Returns the loaded lines, oldest first. */
  get lines(): Iterable<OrderLine> {
    return this.#lines;
  }

  /** Adds a stored line that `allocatedQuantity` counts already. Restore the oldest line first. */
  restoreLine(line: OrderLine): void {
    if (this.#lines.add(line)) this.#lineOfOrder.set(line.orderid, line);
  }

  /** Returns the order's line, if the line is allocated here and loaded. */
  lineOf(orderid: string): OrderLine | undefined {
    return this.#lineOfOrder.get(orderid);
  }

  /** Tells whether the batch has the line's sku and enough left for the line. */
  canAllocate(line: OrderLine): boolean {
    return this.sku === line.sku && this.availableQuantity >= line.qty;
  }

  /** Allocates the line, if the line fits and is not allocated here yet. */
  allocate(line: OrderLine): void {
    if (!this.canAllocate(line) || !this.#lines.add(line)) return;
    this.#lineOfOrder.set(line.orderid, line);
    this.#allocatedQuantity += line.qty;
  }

  /** Lets the line go, if the line is allocated here. */
  deallocate(line: OrderLine): void {
    if (!this.#lines.delete(line)) return;
    this.#lineOfOrder.delete(line.orderid);
    this.#allocatedQuantity -= line.qty;
  }

  /**
   * Sets the quantity, and lets lines go, newest first, until the others fit.
   *
   * @returns the lines that the batch let go
   * @throws {TooManyLinesError} the batch would let more than `MAX_LINES_LET_GO` lines go
   */
  changeQuantity(quantity: number): readonly OrderLine[] {
    const letGo = this.#linesBeyond(quantity);
    this.#quantity = quantity;
    for (const line of letGo) this.deallocate(line);
    return letGo;
  }

  #linesBeyond(quantity: number): readonly OrderLine[] {
    const beyond: OrderLine[] = [];
    let allocated = this.#allocatedQuantity;
    if (allocated <= quantity) return beyond;
    for (const line of [...this.#lines].reverse()) {
      if (beyond.length === MAX_LINES_LET_GO) {
        throw new TooManyLinesError(
          `Batch ${this.reference} would let more than ${MAX_LINES_LET_GO} order lines go, ` +
            'the limit for one command. ' +
            `Lower its quantity in steps: one command can set ${allocated} or more now`,
        );
      }
      allocated -= line.qty;
      beyond.push(line);
      if (allocated <= quantity) return beyond;
    }
    throw new Error(
      `Batch ${this.reference} must let lines go that were not loaded. Report this bug`,
    );
  }
}

/** Tells whether `a` arrives before `b`. Stock that is here comes before stock that is due. */
function arrivesBefore(a: Batch, b: Batch): boolean {
  if (a.eta === null || b.eta === null) return a.eta === null && b.eta !== null;
  return a.eta < b.eta;
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

/**
 * All stock of one sku. Within this aggregate no batch is oversold, and no order has two lines
 * allocated.
 */
export class Product extends AggregateRoot<string, Event> {
  readonly sku: string;
  #version: number;
  readonly #batches: Batch[];

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

  /** Adds a new batch, and registers `BatchCreated`. */
  addBatch(batch: Batch): void {
    this.#batches.push(batch);
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
    const holder = this.#batches.find((batch) => batch.lineOf(orderid));
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
      const batchref = allocate(line, this.#batches);
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
    for (const batch of this.#batches) {
      const line = batch.lineOf(orderid);
      if (!line) continue;
      batch.deallocate(line);
      this.#registerDeallocated(line, batch, 'requested');
      return true;
    }
    return false;
  }

  /**
   * Sets the quantity of the batch. Registers `BatchQuantityChanged`, then `Deallocated` for each
   * line that no longer fits. The handler of `Deallocated` allocates these lines again.
   *
   * @throws {TooManyLinesError} the batch would let more than `MAX_LINES_LET_GO` lines go
   */
  changeBatchQuantity(batch: Batch, quantity: number): void {
    const letGo = batch.changeQuantity(quantity);
    this.registerEvent({
      type: 'BatchQuantityChanged',
      reference: batch.reference,
      sku: this.sku,
      quantity,
      version: this.#nextVersion(),
    });
    for (const line of letGo) this.#registerDeallocated(line, batch, 'batch-shrank');
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
