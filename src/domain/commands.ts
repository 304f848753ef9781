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

/** A batch holds more or less than was thought. */
export interface ChangeBatchQuantity {
  readonly type: 'ChangeBatchQuantity';
  readonly reference: string;
  readonly quantity: number;
}

/** An order, or its line of one sku, needs its stock no longer. */
export interface DeallocateOrder {
  readonly type: 'DeallocateOrder';
  readonly orderid: string;
  readonly sku: string | null;
}

export type Command = CreateBatch | AllocateOrder | ChangeBatchQuantity | DeallocateOrder;
