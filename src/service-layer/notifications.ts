/** People who want to know that stock ran out. */
export interface Notifications {
  outOfStock(line: {
    readonly orderid: string;
    readonly sku: string;
    readonly qty: number;
  }): void | Promise<void>;
}
