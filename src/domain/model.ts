import { MAX_LINES_LET_GO } from './commands.ts';
import { AggregateRoot, Entity } from './entities.ts';
import type { Deallocated, Event } from './events.ts';
import { ValueObject, ValueSet } from './value-objects.ts';

/** No batch of the sku has enough left for the line. */
export class OutOfStockError extends Error {
  readonly code = 'out-of-stock';

  constructor(sku: string) {
    super(`Out of stock for sku ${sku}`);
  }
}

/** The same order and sku are allocated already, with another quantity. */
export class LineDiffersError extends Error {
  readonly code = 'line-differs';
}

/** One command would let more than `MAX_LINES_LET_GO` lines go. Nothing has changed; the message says which steps lead there. */
export class TooManyLinesError extends Error {
  readonly code = 'too-many-lines';
}

/** What an order wants of one sku. A value: two lines with the same content are the same. */
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
 * It may be loaded with only some of its allocated lines, those that the work at hand needs:
 * `allocatedQuantity` counts them all, and whoever needs a line sees to it that it is loaded.
 */
export class Batch extends Entity<string> {
  readonly reference: string;
  readonly sku: string;
  readonly eta: string | null;
  #quantity: number;
  #allocatedQuantity: number;
  readonly #lines = new ValueSet<OrderLine>();
  readonly #lineOfOrder = new Map<string, OrderLine>();

  /** @param eta `YYYY-MM-DD`, or null for stock that is here */
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

  /** The loaded lines, oldest first. */
  get lines(): Iterable<OrderLine> {
    return this.#lines;
  }

  /** Puts back a line that the stored `allocatedQuantity` counts already. Call it oldest line first. */
  restoreLine(line: OrderLine): void {
    if (this.#lines.add(line)) this.#lineOfOrder.set(line.orderid, line);
  }

  lineOf(orderid: string): OrderLine | undefined {
    return this.#lineOfOrder.get(orderid);
  }

  canAllocate(line: OrderLine): boolean {
    return this.sku === line.sku && this.availableQuantity >= line.qty;
  }

  /** Takes the line in, if it is not in already and fits. */
  allocate(line: OrderLine): void {
    if (!this.canAllocate(line) || !this.#lines.add(line)) return;
    this.#lineOfOrder.set(line.orderid, line);
    this.#allocatedQuantity += line.qty;
  }

  /** Lets the line go, if it is there. */
  deallocate(line: OrderLine): void {
    if (!this.#lines.delete(line)) return;
    this.#lineOfOrder.delete(line.orderid);
    this.#allocatedQuantity -= line.qty;
  }

  /**
   * Sets the quantity; what no longer fits is let go, newest line first.
   * @returns the lines let go
   * @throws {TooManyLinesError} there are too many of them
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
          `Batch ${this.reference} would let more than ${MAX_LINES_LET_GO} order lines go, and one command may let no more go. ` +
            `Lower its quantity in steps: ${allocated} is the lowest that one command can set now`,
        );
      }
      allocated -= line.qty;
      beyond.push(line);
      if (allocated <= quantity) return beyond;
    }
    throw new Error(`Batch ${this.reference} is over-allocated by lines that were not loaded`);
  }
}

/** A batch that is here comes before one that is due; an earlier one before a later one. */
function arrivesBefore(a: Batch, b: Batch): boolean {
  if (a.eta === null || b.eta === null) return a.eta === null && b.eta !== null;
  return a.eta < b.eta;
}

/**
 * The heart of the service: allocates the line to the batch that arrives first among those with enough left, ties in the order given.
 *
 * Rule from "Architecture Patterns with Python", chapter 1.
 * @returns the reference of that batch
 * @throws {OutOfStockError} no batch can take the line
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

/** All stock of one sku: the aggregate within which nothing is oversold and no line is allocated twice. */
export class Product extends AggregateRoot<string, Event> {
  readonly sku: string;
  #version: number;
  readonly #batches: Batch[];

  /** @param batches in the order of their creation */
  constructor(sku: string, version = 0, batches: Iterable<Batch> = []) {
    super();
    this.sku = sku;
    this.#version = version;
    this.#batches = [...batches];
  }

  override entityId(): string {
    return this.sku;
  }

  /** Counts the events about this product; the optimistic lock, and the `ce_sequence` of the last event. */
  get version(): number {
    return this.#version;
  }

  /** In the order of their creation. */
  get batches(): readonly Batch[] {
    return this.#batches;
  }

  batch(reference: string): Batch | undefined {
    return this.#batches.find((batch) => batch.reference === reference);
  }

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
   * Registers `Allocated`, `OutOfStock`, or `AlreadyAllocated` when the line is allocated from before.
   * @throws {LineDiffersError} the order has this sku allocated with another qty
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

  /** Lets the order's line go. Registers `Deallocated`. @returns whether there was one */
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
   * Registers `BatchQuantityChanged`, then `Deallocated` for each line that no longer fits. The
   * handler allocates these lines anew.
   * @throws {TooManyLinesError}
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
