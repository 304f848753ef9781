import { expect, it } from 'vitest';
import { LogNotifications } from '../../../src/adapters/log-notifications.ts';
import { Batch } from '../../../src/domain/batch.ts';
import { Product } from '../../../src/domain/product.ts';
import { RepeatedWarnings } from '../../../src/repeated-warnings.ts';
import { MessageBus } from '../../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../../src/service-layer/unit-of-work.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

it('logs an order out of stock with its ids, and counts further ones', async () => {
  const lines: object[] = [];
  const warnings = new RepeatedWarnings({
    warn: (fields: object, msg: string) => void lines.push({ ...fields, msg }),
  } as never);
  const bus = new MessageBus({ notifications: new LogNotifications(warnings) });
  const product = new Product('SMALL-TABLE');
  product.addBatch(new Batch('batch-1', 'SMALL-TABLE', 1, null));
  const unitOfWork = {
    products: { get: async () => product },
    afterCommit: (work: () => void) => work(),
  } as unknown as UnitOfWork;
  for (const number of [8, 9]) {
    const orderid = `order-${number}`;
    const source = {
      topic: 'commands',
      partition: 2,
      offset: number,
      commandId: `command-${number}`,
      traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
    };
    const orderLines = [{ sku: 'SMALL-TABLE', qty: 5 }];
    await bus.handle({ type: 'AllocateOrder', orderid, lines: orderLines }, unitOfWork, source);
  }
  warnings.close();
  const ids = { sku: 'SMALL-TABLE', qty: 5, lane: 'commands/2', traceId: TRACE };
  expect(lines).toEqual([
    {
      ...ids,
      orderid: 'order-8',
      offset: 8,
      commandId: 'command-8',
      msg: 'Out of stock: SMALL-TABLE',
    },
    {
      ...ids,
      orderid: 'order-9',
      offset: 9,
      commandId: 'command-9',
      count: 1,
      msg: '1 more order was out of stock in the last 1 s, the last: order-9, SMALL-TABLE',
    },
  ]);
});
