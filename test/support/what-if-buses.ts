import { TooManyLinesError } from '../../src/domain/batch.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import { OrderLine } from '../../src/domain/order-line.ts';
import type { Product } from '../../src/domain/product.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';

const quiet = { notifications: { outOfStock() {} } };

/** Fails on the order `poison`, and refuses the command `huge` as too large. */
export class BusWithBug extends MessageBus {
  constructor() {
    super(quiet);
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if ('orderid' in command && command.orderid === 'poison')
      throw new Error('the handler has a bug');
    if (command.type === 'DeallocateOrder' && command.orderid === 'huge')
      throw new TooManyLinesError('in steps, please');
    return super.handle(command, unitOfWork);
  }
}

/** Allocates by another rule: the batch that arrives last comes first. */
export class BusWithOtherRule extends MessageBus {
  constructor() {
    super(quiet);
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if (command.type !== 'AllocateOrder') return super.handle(command, unitOfWork);
    const events: Event[] = [];
    for (const { sku, qty } of command.lines) {
      const product = await unitOfWork.products.get(sku);
      if (!product) return super.handle(command, unitOfWork);
      events.push(...allocateToTheLast(product, new OrderLine(command.orderid, sku, qty)));
    }
    return events;
  }
}

/** Handles the order `o2`, and then fails. */
export class BusThatFailsLate extends MessageBus {
  constructor() {
    super(quiet);
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    const events = await super.handle(command, unitOfWork);
    if ('orderid' in command && command.orderid === 'o2') throw new Error('no sofas');
    return events;
  }
}

function allocateToTheLast(product: Product, line: OrderLine): readonly Event[] {
  const quantities = product.batches.map((batch) => ({ batch, quantity: batch.quantity }));
  const [last] = product.batches
    .filter((batch) => batch.canAllocate(line))
    .toSorted((a, b) => (b.eta ?? '').localeCompare(a.eta ?? ''));
  // With the other batches full, the rule of today chooses the last one.
  if (last)
    for (const { batch } of quantities)
      if (batch !== last) batch.changeQuantity(batch.allocatedQuantity);
  product.allocate(line);
  for (const { batch, quantity } of quantities) batch.changeQuantity(quantity);
  return product.collectEvents();
}
