/**
 * So many allocated order lines one command may let go. A line that goes leads to two events and to
 * a few rows, about 10 kB of memory while its transaction is under way: with more lines a command
 * would take the memory of all lanes, and on PostgreSQL longer than a statement may last
 * (docs/decisions/0028). A command that would let more go is refused and changes nothing; the same
 * is reached in steps.
 */
export const MAX_LINES_LET_GO = 10_000;

/** A batch of stock arrives, or is announced with the day it is due (`eta`, `YYYY-MM-DD`; null: in stock). */
export interface CreateBatch {
  readonly type: 'CreateBatch';
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
}

/** A customer's order asks for stock: one line per sku. */
export interface AllocateOrder {
  readonly type: 'AllocateOrder';
  readonly orderid: string;
  readonly lines: readonly { readonly sku: string; readonly qty: number }[];
}

/** A batch holds more or less than was thought. Lines that no longer fit are let go, at most `MAX_LINES_LET_GO`. */
export interface ChangeBatchQuantity {
  readonly type: 'ChangeBatchQuantity';
  readonly reference: string;
  readonly quantity: number;
}

/** An order, at most `MAX_LINES_LET_GO` lines of it, or its line of one sku, needs its stock no longer. */
export interface DeallocateOrder {
  readonly type: 'DeallocateOrder';
  readonly orderid: string;
  readonly sku: string | null;
}

export type Command = CreateBatch | AllocateOrder | ChangeBatchQuantity | DeallocateOrder;
