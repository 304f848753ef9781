import { Batch, TooManyLinesError } from '../domain/batch.ts';
import {
  type AllocateOrder,
  type ChangeBatchQuantity,
  type Command,
  type CreateBatch,
  type DeallocateOrder,
  MAX_LINES_LET_GO,
} from '../domain/commands.ts';
import type { CommandRejected, Deallocated, Event, OutOfStock } from '../domain/events.ts';
import { OrderLine } from '../domain/order-line.ts';
import { LineDiffersError, Product } from '../domain/product.ts';
import type { CommandSource, Notifications } from './notifications.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** What handlers use besides the unit of work. */
export interface Dependencies {
  readonly notifications: Notifications;
}

/**
 * Handles one message in the unit of work.
 *
 * A handler of a command never throws for a broken rule of the business: it returns
 * `CommandRejected`. If it throws `TooManyLinesError`, it has changed nothing.
 *
 * @returns the events, in the order in which they happened
 * @throws {TooManyLinesError} the command would let more than `MAX_LINES_LET_GO` lines go
 * @throws {TroubleError} the database cannot be reached
 */
export type Handler<M> = (
  message: M,
  unitOfWork: UnitOfWork,
  dependencies: Dependencies,
  source?: CommandSource,
) => Promise<readonly Event[]>;

/** Gives each command its one handler. */
export const commandHandlers: {
  readonly [T in Command['type']]: Handler<Extract<Command, { type: T }>>;
} = {
  CreateBatch: createBatch,
  AllocateOrder: allocateOrder,
  ChangeBatchQuantity: changeBatchQuantity,
  DeallocateOrder: deallocateOrder,
};

/** Gives each event its handlers, which run in this order. */
export const eventHandlers: {
  readonly [T in Event['type']]: readonly Handler<Extract<Event, { type: T }>>[];
} = {
  BatchCreated: [],
  Allocated: [],
  AlreadyAllocated: [],
  Deallocated: [reallocate],
  OutOfStock: [notifyOutOfStock],
  BatchQuantityChanged: [],
  CommandRejected: [],
};

async function createBatch(
  command: CreateBatch,
  { products }: UnitOfWork,
): Promise<readonly Event[]> {
  const { reference, sku, quantity, eta } = command;
  const existing = (await products.getByBatchReference(reference))?.batch(reference);
  if (existing) {
    const isSame = existing.sku === sku && existing.quantity === quantity && existing.eta === eta;
    const found = `sku ${existing.sku}, quantity ${existing.quantity}, eta ${existing.eta}`;
    return isSame
      ? []
      : [
          rejection(command, 'batch-differs', `Batch ${reference} exists with ${found}`, {
            reference,
            sku,
          }),
        ];
  }
  let product = await products.get(sku);
  if (!product) {
    product = new Product(sku);
    products.add(product);
  }
  product.addBatch(new Batch(reference, sku, quantity, eta));
  return product.collectEvents();
}

async function allocateOrder(
  command: AllocateOrder,
  { products }: UnitOfWork,
): Promise<readonly Event[]> {
  const { orderid } = command;
  const events: Event[] = [];
  for (const { sku, qty } of command.lines) {
    const product = await products.get(sku);
    if (!product) {
      events.push(
        rejection(command, 'unknown-sku', `No batch of sku ${sku} was ever created`, {
          orderid,
          sku,
        }),
      );
      continue;
    }
    try {
      product.allocate(new OrderLine(orderid, sku, qty));
    } catch (error) {
      if (!(error instanceof LineDiffersError)) throw error;
      events.push(rejection(command, error.code, error.message, { orderid, sku }));
    }
    events.push(...product.collectEvents());
  }
  return events;
}

async function changeBatchQuantity(
  command: ChangeBatchQuantity,
  { products }: UnitOfWork,
): Promise<readonly Event[]> {
  const { reference, quantity } = command;
  const product = await products.getByBatchReference(reference);
  const batch = product?.batch(reference);
  if (!product || !batch)
    return [rejection(command, 'unknown-batch', `There is no batch ${reference}`, { reference })];
  product.changeBatchQuantity(batch, quantity);
  return product.collectEvents();
}

async function deallocateOrder(
  command: DeallocateOrder,
  { products }: UnitOfWork,
): Promise<readonly Event[]> {
  const { orderid, sku } = command;
  const holders = sku === null ? await products.getByOrder(orderid) : [await products.get(sku)];
  if (holders.length > MAX_LINES_LET_GO) {
    throw new TooManyLinesError(
      `Order ${orderid} would let more than ${MAX_LINES_LET_GO} order lines go, ` +
        'the limit for one command. First let single lines go: send DeallocateOrder with a sku',
    );
  }
  const events: Event[] = [];
  for (const product of holders) {
    if (product?.deallocate(orderid)) events.push(...product.collectEvents());
  }
  if (events.length > 0) return events;
  const detail = `Nothing is allocated to order ${orderid}${sku === null ? '' : ` of sku ${sku}`}`;
  return [
    rejection(command, 'unknown-order', detail, sku === null ? { orderid } : { orderid, sku }),
  ];
}

/** Allocates, in the same transaction, a line that its batch had to let go. */
async function reallocate(event: Deallocated, { products }: UnitOfWork): Promise<readonly Event[]> {
  if (event.because !== 'batch-shrank') return [];
  const product = await products.get(event.sku);
  if (!product)
    throw new Error(
      `Product ${event.sku} is gone in the transaction that changed it. Report this bug`,
    );
  product.allocate(new OrderLine(event.orderid, event.sku, event.qty));
  return product.collectEvents();
}

async function notifyOutOfStock(
  event: OutOfStock,
  unitOfWork: UnitOfWork,
  dependencies: Dependencies,
  source?: CommandSource,
): Promise<readonly Event[]> {
  const { orderid, sku, qty } = event;
  const line = { orderid, sku, qty, ...(source && { source }) };
  unitOfWork.afterCommit(() => dependencies.notifications.outOfStock(line));
  return [];
}

type Ids = Pick<CommandRejected, 'orderid' | 'sku' | 'reference'>;

/** Makes a rejection. `replay commands` compares details too, so a new text is a difference. */
function rejection(
  command: Command,
  reason: CommandRejected['reason'],
  detail: string,
  ids: Ids,
): CommandRejected {
  return { type: 'CommandRejected', command: command.type, reason, detail, ...ids };
}
