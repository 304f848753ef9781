import type { Command } from '../domain/commands.ts';
import type { Event } from '../domain/events.ts';
import { commandHandlers, type Dependencies, eventHandlers, type Handler } from './handlers.ts';
import type { CommandSource } from './notifications.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/**
 * Runs the handler of a command, and then the handlers of each event, in one unit of work. Events
 * are handled first in, first out.
 */
export class MessageBus {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Handles the command and all events that follow from it.
   *
   * @param source where the command came from, for notifications; absent: not known
   * @returns every event, in the order in which they happened
   * @throws what a handler throws; the unit of work must then not be committed
   */
  async handle(
    command: Command,
    unitOfWork: UnitOfWork,
    source?: CommandSource,
  ): Promise<readonly Event[]> {
    const handler = commandHandlers[command.type] as Handler<Command>;
    const events = [...(await handler(command, unitOfWork, this.#dependencies, source))];
    // The loop also visits the events that handlers append to this array.
    for (const event of events) {
      for (const eventHandler of eventHandlers[event.type] as readonly Handler<Event>[]) {
        events.push(...(await eventHandler(event, unitOfWork, this.#dependencies, source)));
      }
    }
    return events;
  }
}
