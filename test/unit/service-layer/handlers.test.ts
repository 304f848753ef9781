import { beforeEach, describe, expect, it } from 'vitest';
import { Batch, TooManyLinesError } from '../../../src/domain/batch.ts';
import { type Command, MAX_LINES_LET_GO } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { OrderLine } from '../../../src/domain/order-line.ts';
import { Product } from '../../../src/domain/product.ts';
import { MessageBus } from '../../../src/service-layer/message-bus.ts';
import type { CommandSource } from '../../../src/service-layer/notifications.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
} from '../../support/commands.ts';
import { InMemoryUnitOfWork } from '../../support/in-memory.ts';

/** A unit of work that keeps what must run after its commit. */
class UncommittedUnitOfWork extends InMemoryUnitOfWork {
  readonly afterwards: (() => void | Promise<void>)[] = [];

  override afterCommit(work?: () => void | Promise<void>): void {
    if (work) this.afterwards.push(work);
  }
}

let unitOfWork: UncommittedUnitOfWork;
let told: unknown[];

beforeEach(() => {
  unitOfWork = new UncommittedUnitOfWork();
  told = [];
});

const handle = (command: Command, source?: CommandSource): Promise<readonly Event[]> =>
  new MessageBus({ notifications: { outOfStock: (line) => void told.push(line) } }).handle(
    command,
    unitOfWork,
    source,
  );

describe('A line that is out of stock', () => {
  const line = { orderid: 'o', sku: 'LAMP', qty: 6 };

  beforeEach(() => handle(createBatch('b', 'LAMP', 5)));

  it('leads to a notification, only after the commit', async () => {
    await handle(allocateOrder('o', 'LAMP', 6));
    expect(told).toEqual([]);
    for (const work of unitOfWork.afterwards) await work();
    expect(told).toEqual([line]);
  });

  it('leads to a notification that names the command', async () => {
    const place = { topic: 'commands', partition: 0, offset: 7 };
    const source = { ...place, commandId: 'cmd-1', traceparent: null };
    await handle(allocateOrder('o', 'LAMP', 6), source);
    for (const work of unitOfWork.afterwards) await work();
    expect(told).toEqual([{ ...line, source }]);
  });
});

describe('A rejection', () => {
  it.each<[string, readonly Command[], string]>([
    ['unknown-sku', [allocateOrder('o', 'LAMP')], 'No batch of sku LAMP was ever created'],
    ['unknown-batch', [changeBatchQuantity('b', 1)], 'There is no batch b'],
    ['unknown-order', [deallocateOrder('o')], 'Nothing is allocated to order o'],
    [
      'unknown-order',
      [deallocateOrder('o', 'LAMP')],
      'Nothing is allocated to order o of sku LAMP',
    ],
    [
      'batch-differs',
      [createBatch('b', 'LAMP', 5, '2027-01-31'), createBatch('b', 'LAMP', 5)],
      'Batch b exists with sku LAMP, quantity 5, eta 2027-01-31',
    ],
    [
      'line-differs',
      [createBatch('b', 'LAMP', 5), allocateOrder('o', 'LAMP', 1), allocateOrder('o', 'LAMP', 2)],
      'Order o has 1 of sku LAMP allocated, not 2',
    ],
  ])('with the reason %s says what is wrong', async (reason, commands, detail) => {
    const answers = [];
    for (const command of commands) answers.push(await handle(command));
    expect(answers.at(-1)).toMatchObject([
      { type: 'CommandRejected', command: commands.at(-1)?.type, reason, detail },
    ]);
  });
});

it('more than 10,000 lines of an order do not go at once, and nothing changes', async () => {
  for (let n = 0; n <= MAX_LINES_LET_GO; n += 1) {
    const product = new Product(`sku-${n}`, 0, [new Batch(`b-${n}`, `sku-${n}`, 1, null)]);
    product.allocate(new OrderLine('o', `sku-${n}`, 1));
    product.collectEvents();
    unitOfWork.products.add(product);
  }
  await expect(handle(deallocateOrder('o'))).rejects.toThrow(
    new TooManyLinesError(
      'Order o would let more than 10000 order lines go, the limit for one command. ' +
        'First let single lines go: send DeallocateOrder with a sku',
    ),
  );
  expect(await handle(deallocateOrder('o', 'sku-0'))).toMatchObject([{ type: 'Deallocated' }]);
  expect(await handle(deallocateOrder('o'))).toHaveLength(MAX_LINES_LET_GO);
});

it('a product that disappears amid its transaction is reported as a bug', async () => {
  await handle(createBatch('b', 'LAMP', 5));
  await handle(allocateOrder('o', 'LAMP', 5));
  unitOfWork.products.get = async () => null;
  await expect(handle(changeBatchQuantity('b', 1))).rejects.toThrow(
    'Product LAMP is gone in the transaction that changed it. Report this bug',
  );
});

it('an error of a handler that is no rule of the business is passed on', async () => {
  class Broken extends Batch {
    override canAllocate(): boolean {
      throw new RangeError('broken');
    }
  }
  unitOfWork.products.add(new Product('LAMP', 1, [new Broken('b', 'LAMP', 5, null)]));
  await expect(handle(allocateOrder('o', 'LAMP'))).rejects.toThrow(RangeError);
});
