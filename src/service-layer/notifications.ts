/** Tells people what happened. A failure is logged, and undoes nothing. */
export interface Notifications {
  /** Tells people that no batch had enough left for an order line. */
  outOfStock(line: {
    readonly orderid: string;
    readonly sku: string;
    readonly qty: number;
  }): void | Promise<void>;
}
