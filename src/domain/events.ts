import type { Command } from './commands.ts';

/** Changes a product or reports on its stock. */
interface Versioned {
  /** The product's version after the event: 1, 2, 3, … per sku, without a gap. */
  readonly version: number;
}

/** A batch exists now. */
interface BatchCreated extends Versioned {
  readonly type: 'BatchCreated';
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
}

/** The line has its stock from `batchref`. */
interface Allocated extends Versioned {
  readonly type: 'Allocated';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

/** The line was allocated to `batchref` before. Nothing changed. */
interface AlreadyAllocated {
  readonly type: 'AlreadyAllocated';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

/** The line no longer has stock from `batchref`. */
export interface Deallocated extends Versioned {
  readonly type: 'Deallocated';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
  /** `requested`: a command asked for it. `batch-shrank`: the line is allocated again at once. */
  readonly because: 'requested' | 'batch-shrank';
}

/** No batch of the sku has enough left for the line. */
export interface OutOfStock extends Versioned {
  readonly type: 'OutOfStock';
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

/** The batch has this quantity now. */
interface BatchQuantityChanged extends Versioned {
  readonly type: 'BatchQuantityChanged';
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
}

/** The rule of the business that a command breaks. */
export type RejectionReason =
  | 'unknown-sku'
  | 'unknown-batch'
  | 'unknown-order'
  | 'batch-differs'
  | 'line-differs';

/** The command, or one line of it, breaks a rule of the business. That part changed nothing. */
export interface CommandRejected {
  readonly type: 'CommandRejected';
  readonly command: Command['type'];
  readonly reason: RejectionReason;
  /** A sentence for people. Its text is published, so another text is another outcome. */
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
