import { Batch } from '../../src/domain/batch.ts';
import { OrderLine } from '../../src/domain/order-line.ts';

/** The product of the batches and lines below, unless a test names another. */
export const SKU = 'ELEGANT-LAMP';

export const batch = (reference: string, quantity: number, eta: string | null = null, sku = SKU) =>
  new Batch(reference, sku, quantity, eta);

export const line = (qty: number, orderid = 'order', sku = SKU) => new OrderLine(orderid, sku, qty);
