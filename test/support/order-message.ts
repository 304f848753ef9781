import { readCommand } from '../../src/messages/read-command.ts';

/** The place of each message that `read` reads. */
export const PLACE = 'allocation.commands/0/7';

/** The headers of an order in CloudEvents binary mode. */
export const binary = {
  ce_specversion: '1.0',
  ce_id: 'cmd-1',
  ce_source: '/shop',
  ce_type: 'AllocateOrder',
  'content-type': 'application/json',
};

/** The data of an order with one line, in the short form. */
export const order = { orderid: 'order-1', sku: 'LAMP', qty: 2 };

/** The same order as a command. */
export const allocate = {
  type: 'AllocateOrder',
  orderid: 'order-1',
  lines: [{ sku: 'LAMP', qty: 2 }],
};

/** Reads a message as a command. A body that is neither text nor bytes is sent as JSON. */
export function read(
  body: unknown,
  headers: Record<string, string | Buffer | (string | Buffer)[]> = {},
) {
  const value =
    typeof body === 'string'
      ? Buffer.from(body)
      : Buffer.isBuffer(body)
        ? body
        : Buffer.from(JSON.stringify(body));
  return readCommand({ value, headers }, PLACE);
}
