/**
 * One command may let at most this many allocated order lines go. A command that would let more go
 * is refused and changes nothing; several smaller commands reach the same state.
 *
 * Each of these lines leads to two events and a few rows: about 10 kB of memory during the
 * transaction. With more lines, one command would take the memory of all lanes. On PostgreSQL, the
 * command would also exceed the statement timeout (docs/decisions/0028).
 */
export const MAX_LINES_LET_GO = 10_000;

/** A batch of stock arrives, or is announced for a later day. */
export interface CreateBatch {
  readonly type: 'CreateBatch';
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  /** The day on which the batch arrives, `YYYY-MM-DD`; null: the batch is in stock. */
  readonly eta: string | null;
}

/** A customer's order asks for stock, with one line per sku. */
export interface AllocateOrder {
  readonly type: 'AllocateOrder';
  readonly orderid: string;
  readonly lines: readonly { readonly sku: string; readonly qty: number }[];
}

/**
 * A batch has another quantity than the service knows. The batch lets the lines go that no longer
 * fit, at most `MAX_LINES_LET_GO`.
 */
export interface ChangeBatchQuantity {
  readonly type: 'ChangeBatchQuantity';
  readonly reference: string;
  readonly quantity: number;
}

/** An order no longer needs its stock. */
export interface DeallocateOrder {
  readonly type: 'DeallocateOrder';
  readonly orderid: string;
  /** Let only the line of this sku go. Null: let all lines go, at most `MAX_LINES_LET_GO`. */
  readonly sku: string | null;
}

export type Command = CreateBatch | AllocateOrder | ChangeBatchQuantity | DeallocateOrder;
