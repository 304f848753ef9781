import type { Database } from '../../src/adapters/database/database.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import type { AnswerContext } from '../../src/entrypoints/answer-context.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';

/** Returns a message bus whose notifications nobody reads. */
export const quietBus = () => new MessageBus({ notifications: { outOfStock: () => {} } });

/** Returns what a lane needs to answer commands. Nobody is notified, and the clock stands still. */
export const quietAnswerContext = (): AnswerContext => ({
  bus: quietBus(),
  eventsTopic: 'events',
  deadLettersTopic: 'dead-letters',
  parkingLimits: { ofProduct: 10, inAll: 1_000 },
  strictCommands: false,
  clock: () => new Date(0),
  metrics: new Metrics(),
});

export function createBatch(
  reference: string,
  sku: string,
  quantity: number,
  eta: string | null = null,
): Command {
  return { type: 'CreateBatch', reference, sku, quantity, eta };
}

export function allocateOrder(orderid: string, sku: string, qty = 1): Command {
  return { type: 'AllocateOrder', orderid, lines: [{ sku, qty }] };
}

export function changeBatchQuantity(reference: string, quantity: number): Command {
  return { type: 'ChangeBatchQuantity', reference, quantity };
}

export function deallocateOrder(orderid: string, sku: string | null = null): Command {
  return { type: 'DeallocateOrder', orderid, sku };
}

/** Prepares all commands together, and handles them in the unit of work. */
export async function handleAll(
  commands: readonly Command[],
  unitOfWork: UnitOfWork,
  bus = quietBus(),
): Promise<Event[]> {
  await unitOfWork.prepare(commands);
  const events: Event[] = [];
  for (const command of commands) events.push(...(await bus.handle(command, unitOfWork)));
  return events;
}

/** Handles the commands in one session of the database. */
export async function handleIn(
  database: Database,
  ...commands: readonly Command[]
): Promise<Event[]> {
  return database.getSession((session) => handleAll(commands, session));
}
