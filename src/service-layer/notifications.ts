import type { Partition } from './records.ts';

/** Where a command came from, for log lines. */
export interface CommandSource extends Partition {
  readonly offset: number;
  /** The id of the command's message. */
  readonly commandId: string;
  /** The trace that the command belongs to. Null: none. */
  readonly traceparent: string | null;
}

/** An order line for which no batch had enough left. */
export interface OutOfStockLine {
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  /** The command that led to this. Absent: not known. */
  readonly source?: CommandSource;
}

/** Tells people what happened. A failure is logged, and undoes nothing. */
export interface Notifications {
  /** Tells people that no batch had enough left for an order line. */
  outOfStock(line: OutOfStockLine): void | Promise<void>;
}
