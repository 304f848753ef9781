import type { Command } from './commands.ts';

/** What an event about a product's state or stock carries: the product's version after it, 1, 2, 3, … per sku without a gap. */
interface Versioned {
  readonly version: number;
}

export interface BatchCreated extends Versioned {
  readonly type: 'BatchCreated';
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
}

export interface Allocated extends Versioned {
  readonly type: 'Allocated';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

/** The line had been allocated before, to `batchref`; nothing changed. */
export interface AlreadyAllocated {
  readonly type: 'AlreadyAllocated';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

export interface Deallocated extends Versioned {
  readonly type: 'Deallocated';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
  /** A line let go because its batch shrank looks for another batch; one that was asked for does not. */
  readonly because: 'requested' | 'batch-shrank';
}

export interface OutOfStock extends Versioned {
  readonly type: 'OutOfStock';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

export interface BatchQuantityChanged extends Versioned {
  readonly type: 'BatchQuantityChanged';
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
}

export type RejectionReason =
  | 'unknown-sku'
  | 'unknown-batch'
  | 'unknown-order'
  | 'batch-differs'
  | 'line-differs';

/** The command, or one line of it, breaks a rule of the business; nothing changed. */
export interface CommandRejected {
  readonly type: 'CommandRejected';
  readonly command: Command['type'];
  readonly reason: RejectionReason;
  /** One sentence for a person. */
  readonly detail: string;
  readonly orderid?: string;
  readonly sku?: string;
  readonly reference?: string;
}

export type Event =
  | BatchCreated
  | Allocated
  | AlreadyAllocated
  | Deallocated
  | OutOfStock
  | BatchQuantityChanged
  | CommandRejected;
