import { MAX_LINES_LET_GO } from './commands.ts';
import { Entity } from './entities.ts';
import { AllocationError } from './errors.ts';
import type { OrderLine } from './order-line.ts';
import { ValueSet } from './value-objects.ts';

/**
 * One command would let more than `MAX_LINES_LET_GO` lines go. Nothing has changed. The message
 * says which smaller commands reach the same state.
 */
export class TooManyLinesError extends AllocationError {
  override readonly code = 'too-many-lines';
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
