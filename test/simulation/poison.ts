import type { Command } from '../../src/domain/commands.ts';
import { readCommand } from '../../src/messages/read-command.ts';
import type { MessageBus } from '../../src/service-layer/message-bus.ts';
import { over } from '../support/over.ts';
import type { World } from './world.ts';

const RATE = { least: 0.02, most: 0.12 };

/** In half of the histories, a bug of every machine: a handler fails on certain commands. */
export class Poison {
  readonly #world: World;
  readonly #rate: number;
  readonly #isPoison = new Map<string, boolean>();
  #isMended = false;

  constructor(world: World) {
    this.#world = world;
    this.#rate = world.chance(0.5) ? RATE.least + world.random() * (RATE.most - RATE.least) : 0;
  }

  get isThere(): boolean {
    return this.#rate > 0;
  }

  mend(): void {
    this.#world.trace('the handlers are mended');
    this.#isMended = true;
  }

  /** Says whether a handler fails on the command. @param body as it was sent */
  isIn(body: object): boolean {
    const incoming = readCommand({ value: Buffer.from(JSON.stringify(body)), headers: {} }, '');
    return (
      incoming.kind === 'command' && this.#isPoison.get(JSON.stringify(incoming.command)) === true
    );
  }

  into(bus: MessageBus): MessageBus {
    return over(bus, {
      handle: async (command, unitOfWork) => {
        if (this.#isFatal(command)) throw new Error('The handler has a bug');
        return bus.handle(command, unitOfWork);
      },
    });
  }

  /** Decides by what the command says: every machine and every attempt decides alike. */
  #isFatal(command: Command): boolean {
    const text = JSON.stringify(command);
    const isPoison = this.#isPoison.get(text) ?? this.#world.chance(this.#rate);
    this.#isPoison.set(text, isPoison);
    return isPoison && !this.#isMended;
  }
}
