import type { Logger } from 'pino';
import type { Notifications } from '../service-layer/notifications.ts';

/** Tells people with a line in the log. */
export class LogNotifications implements Notifications {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  outOfStock(line: { readonly orderid: string; readonly sku: string; readonly qty: number }): void {
    this.#log.warn(line, `Out of stock: ${line.sku}`);
  }
}
