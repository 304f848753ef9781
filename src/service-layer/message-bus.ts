import type { Command } from '../domain/commands.ts';
import type { Event } from '../domain/events.ts';
import { commandHandlers, type Dependencies, eventHandlers, type Handler } from './handlers.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** Takes a command to its handler, and what happened to the handlers of events: first in, first out, all in one unit of work. */
export class MessageBus {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** @returns every event that the command led to, in the order in which they happened */
  async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    const handler = commandHandlers[command.type] as Handler<Command>;
    const events = [...(await handler(command, unitOfWork, this.#dependencies))];
    // `events` is the queue as well: what an event handler returns goes to the end, and its turn comes.
    for (const event of events) {
      for (const eventHandler of eventHandlers[event.type] as readonly Handler<Event>[]) {
        events.push(...(await eventHandler(event, unitOfWork, this.#dependencies)));
      }
    }
    return events;
  }
}
