import { ValueObject } from './value-objects.ts';

/** Says how much of one sku an order wants. Two lines with the same content are equal. */
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
